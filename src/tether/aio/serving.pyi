# What Python sees of asyncio's servers (serving.pyx). A test holds the two together.

import asyncio
import socket
import ssl
from collections.abc import Callable

from tether.engine.engine import Engine
from tether.stream.listener import Listener

def start_serving(
    engine: Engine,
    factory: Callable[[], asyncio.BaseProtocol],
    sock: socket.socket,
    server: asyncio.AbstractServer | None,
    tls_context: ssl.SSLContext | None = None,
    handshake_timeout: float | None = None,
    shutdown_timeout: float | None = None,
) -> Listener: ...
