"""What lives here: the echo server of `websockets` on uvloop, at its best.

No compression, no keepalive pings, no limit on the size of a message or its queue's length.
"""

from __future__ import annotations

import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.websocket.servers.announce import announce, requested_port


async def echo(connection: ServerConnection) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    """Serve until the process is ended."""
    async with serve(
        echo,
        "127.0.0.1",
        requested_port(),
        compression=None,
        ping_interval=None,
        max_size=None,
        max_queue=None,
        server_header=None,
    ) as server:
        announce(next(iter(server.sockets)).getsockname()[1])
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
