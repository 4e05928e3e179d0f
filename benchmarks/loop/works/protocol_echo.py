"""What lives here: an echo server by `asyncio.Protocol`."""

from __future__ import annotations

import asyncio
from typing import cast


class Echo(asyncio.Protocol):
    """Sends back what it receives, as it comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to send it."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Echo one piece."""
        self.transport.write(data)


async def serve() -> int:
    """Listen on a free port, and return it."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def streams() -> int:
    """The same by tether's own `Stream`, in callbacks."""
    import tether

    def on_stream(stream: tether.Stream) -> None:
        stream.on_data(stream.send)

    return int(tether.listen("127.0.0.1:0", on_stream).address.rpartition(":")[2])
