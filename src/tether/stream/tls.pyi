# What Python sees of TLS (tls.pyx): `Stream.start_tls` is the way in.

from collections.abc import Awaitable
from ssl import SSLContext, SSLObject, SSLSession

from tether.stream.channel import Channel

WAYS: tuple[str, ...]

def start_tls(
    stream: Channel,
    context: SSLContext,
    server_side: bool,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float,
    session: SSLSession | None,
) -> Awaitable[SSLObject]: ...
def choose(name: str | None = None) -> str: ...
