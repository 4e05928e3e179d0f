"""What lives here: a server that sends to everybody who connects, as much as he takes."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from benchmarks.loop.works.tls_echo import server_context

if TYPE_CHECKING:
    import tether


def message_of(size: int) -> bytes:
    """The message that the load expects, again and again."""
    return bytes((index * 31 + index // 256) & 255 for index in range(size))


class Sender(asyncio.Protocol):
    """Writes messages until it is told to pause."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast(asyncio.Transport, transport)
        self.resume_writing()

    def pause_writing(self) -> None:
        """Enough for now."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self.is_paused = False
        while not self.is_paused and not self.transport.is_closing():
            self.transport.write(self.message)


async def serve(size: int) -> int:
    """Send by `asyncio.Protocol`; listens on a free port, and returns it."""
    return await _serve(size, None)


async def serve_tls(size: int) -> int:
    """The same over TLS."""
    return await _serve(size, server_context())


async def _serve(size: int, context: ssl.SSLContext | None) -> int:
    loop = asyncio.get_running_loop()
    message = message_of(size)
    server = await loop.create_server(lambda: Sender(message), "127.0.0.1", 0, ssl=context)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def streams(size: int) -> int:
    """Send by tether's own `Stream`."""
    return await _streams(size, None)


async def streams_tls(size: int) -> int:
    """The same over TLS."""
    return await _streams(size, server_context())


async def _streams(size: int, context: ssl.SSLContext | None) -> int:
    import tether

    message = message_of(size)

    def send_all(stream: tether.Stream) -> None:
        def go_on() -> None:
            while stream.send(message):
                pass

        stream.on_drain(go_on)
        go_on()

    async def on_stream(stream: tether.Stream) -> None:
        if context is not None:
            await stream.start_tls(context, server_side=True)
        send_all(stream)
        await stream.wait_closed()

    return int(tether.listen("127.0.0.1:0", on_stream).address.rpartition(":")[2])
