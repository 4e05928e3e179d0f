"""WebSocket, RFC 6455: frames, handshake, sessions."""

from tether.websocket.handshake import accept
from tether.websocket.session import WebSocket

__all__ = ["WebSocket", "accept"]
