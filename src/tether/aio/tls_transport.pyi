# What Python sees of asyncio's transports under TLS (tls_transport.pyx). A test holds the two together.

import asyncio
import socket
import ssl
from typing import Any

from tether.aio.transport import SocketTransport
from tether.engine.engine import Engine

class TlsTransport(SocketTransport):
    def close(self) -> None: ...  # type: ignore[override]
    def can_write_eof(self) -> bool: ...
    def write_eof(self) -> None: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def log_failure(self, message: str, error: BaseException) -> None: ...

def open_tls_transport(
    engine: Engine,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext | bool | None,
    waiter: asyncio.Future[None] | None = None,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    extra: dict[str, Any] | None = None,
    server: asyncio.AbstractServer | None = None,
    handshake_timeout: float | None = None,
    shutdown_timeout: float | None = None,
) -> TlsTransport: ...
def upgrade_transport(
    former: SocketTransport,
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext,
    waiter: asyncio.Future[None],
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    handshake_timeout: float | None = None,
    shutdown_timeout: float | None = None,
) -> TlsTransport: ...
