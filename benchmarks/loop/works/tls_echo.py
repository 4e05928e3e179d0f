"""What lives here: an echo server by `asyncio.Protocol` over TLS, and its certificate."""

from __future__ import annotations

import asyncio
import functools
import ssl
import subprocess

from benchmarks.build import BUILD, BuildError
from benchmarks.loop.works.protocol_echo import Echo

CERTIFICATE = BUILD / "loop" / "certificate.pem"
KEY = BUILD / "loop" / "key.pem"


@functools.cache
def make_certificate() -> None:
    """Make a certificate of our own, once in a run: P-256, as most servers have it now.

    Raises:
        BuildError: there is no `openssl`, or it refused.
    """
    CERTIFICATE.parent.mkdir(parents=True, exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-noenc", "-days", "30", "-subj", "/CN=localhost"]
    command += ["-keyout", str(KEY), "-out", str(CERTIFICATE)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError("there is no `openssl`, which makes the certificate") from None
    if result.returncode != 0:
        raise BuildError(f"openssl made no certificate: {result.stderr.strip()}")


def server_context() -> ssl.SSLContext:
    """What a server with that certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context


async def serve() -> int:
    """Listen on a free port, and return it."""
    context = server_context()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=context, backlog=1024)
    port: int = server.sockets[0].getsockname()[1]
    return port
