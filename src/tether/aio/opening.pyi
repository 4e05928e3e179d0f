# What Python sees of how transports come about (opening.pyx). A test holds the two together.

import asyncio
import socket
from typing import Any

from tether.aio.transport import SocketTransport
from tether.engine.engine import Engine

def open_transport(
    engine: Engine,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    waiter: asyncio.Future[None] | None = None,
    extra: dict[str, Any] | None = None,
    server: asyncio.AbstractServer | None = None,
) -> SocketTransport: ...
