"""What lives here: the echo server of tether in its comfortable form, an async function."""

from __future__ import annotations

import asyncio

import tether
from benchmarks.websocket.servers.announce import announce, requested_port

app = tether.App()


@app.websocket("/")
async def echo(ws: tether.WebSocket) -> None:
    """Send each message back."""
    async for message in ws:
        await ws.send(message)


async def main() -> None:
    """Serve until the process is ended."""
    async with app.listen(f"127.0.0.1:{requested_port()}") as server:
        announce(int(server.address.rpartition(":")[2]))
        await asyncio.Event().wait()


if __name__ == "__main__":
    tether.run(main())
