"""What still comes behind a close frame has no meaning, and nobody keeps it.

Knows raw frames and the memory of this process.
"""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.http.live_server import LiveServer, Serve
from tests.watch import KEEPS_FREED_MEMORY, resident
from tests.websocket.raw_websocket import TEXT, Client, close_frame, frame

MEBIBYTE = 1024 * 1024
KINDS = {"garbage": b"z" * MEBIBYTE, "a frame": frame(TEXT, b"x" * MEBIBYTE)}


class Lingering:
    """A server whose session closes only when a task of it has cleaned up behind the gate."""

    def __init__(self, serve: Serve) -> None:
        self.gate = asyncio.Event()
        self.messages: list[str | bytes] = []
        self.ended: list[BaseException | None] = []
        app = tether.App()

        @app.websocket("/ws")
        def session(ws: tether.WebSocket) -> None:
            async def work() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    await self.gate.wait()

            ws.spawn(work())
            ws.on_message(self.messages.append)
            ws.on_close(self.ended.append)

        self.server: LiveServer = serve(app)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.skipif(KEEPS_FREED_MEMORY, reason="the address sanitizer does")
def test_what_comes_after_a_close_frame_takes_no_memory(serve: Serve, kind: str) -> None:
    lingering = Lingering(serve)
    server = lingering.server
    client = Client(server.peer())
    client.send(close_frame(), KINDS[kind])
    client.peer.wait_until_read()
    before = resident()
    for _ in range(32):
        client.send(KINDS[kind])
    client.peer.wait_until_read()
    grown = resident() - before
    assert lingering.ended == [], "it is still the same session"
    server.call(lingering.gate.set)
    client.expect_close(1000)
    client.peer.half_close()
    server.until(lambda: bool(lingering.ended))
    assert lingering.messages == []
    assert grown < 4 * MEBIBYTE
