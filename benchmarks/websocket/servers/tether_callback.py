"""What lives here: the echo server of tether in its fast form, a function that sets callbacks."""

from __future__ import annotations

import asyncio

import tether
from benchmarks.websocket.servers.announce import announce, requested_port

app = tether.App()


@app.websocket("/")
def echo(ws: tether.WebSocket) -> None:
    """Send each message back."""
    ws.on_message(ws.send)


async def main() -> None:
    """Serve until the process is ended."""
    async with app.listen(f"127.0.0.1:{requested_port()}") as server:
        announce(int(server.address.rpartition(":")[2]))
        await asyncio.Event().wait()


if __name__ == "__main__":
    tether.run(main())
