"""What lives here: an echo server by `asyncio.start_server`."""

from __future__ import annotations

import asyncio

# As much as there is.
LARGEST = 256 * 1024


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    try:
        while data := await reader.read(LARGEST):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve() -> int:
    """Listen on a free port, and return it."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=1024, limit=LARGEST)
    port: int = server.sockets[0].getsockname()[1]
    return port
