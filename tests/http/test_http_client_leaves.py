"""A client that leaves, in every phase and in every way (cases 17 and 24)."""

from __future__ import annotations

import asyncio
import time
import warnings

import pytest

import tether
from tests.http.live_server import LiveServer, Peer, Serve, get, post


class Watched:
    """A handler that never ends by itself, and what happened to it."""

    def __init__(self) -> None:
        self.app = tether.App()
        self.events: list[str] = []
        self.causes: list[BaseException | None] = []
        self.begun = 0
        self.release = asyncio.Event()

        @self.app.route("/", methods=("GET", "POST"))  # type: ignore[untyped-decorator, unused-ignore]
        async def wait(request: tether.Request) -> str:
            request.on_close(self.closed)
            request.every(3600, self.events.append, "tick")
            self.begun += 1
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.events.append("cancelled")
                raise
            return "at last"

        @self.app.get("/plain")
        def plain(request: tether.Request) -> str:
            return "plain"

    def closed(self, cause: BaseException | None) -> None:
        self.events.append("closed")
        self.causes.append(cause)


def leave(peer: Peer, how: str) -> None:
    if how == "RST":
        peer.reset()
    elif how == "FIN":
        peer.close()
    else:
        peer.half_close()


@pytest.mark.parametrize("how", ["FIN", "half close", "RST"])
@pytest.mark.parametrize("request_", [get(), post(b"body"), get("/", version="HTTP/1.0")])
def test_the_running_handler_is_cancelled_at_once(serve: Serve, how: str, request_: bytes) -> None:
    watched = Watched()
    server = serve(watched.app)
    peer = server.peer()
    peer.send(request_)
    server.until(lambda: watched.begun == 1)
    left = time.monotonic()
    leave(peer, how)
    server.until(lambda: "closed" in watched.events)
    assert time.monotonic() - left < 1.0
    server.until(server.is_idle)
    assert watched.events == ["cancelled", "closed"]
    assert isinstance(watched.causes[0], tether.ConnectionClosed)
    if how == "half close":
        assert peer.rest() == b""


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_also_with_requests_waiting_behind_it(serve: Serve, how: str) -> None:
    watched = Watched()
    server = serve(watched.app)
    peer = server.peer()
    peer.send(get() + get("/plain") * 3)
    server.until(lambda: watched.begun == 1)
    leave(peer, how)
    server.until(lambda: "closed" in watched.events)
    server.until(server.is_idle)
    assert watched.begun == 1


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_also_when_the_waiting_requests_fill_the_buffer(serve: Serve, how: str) -> None:
    # The server has stopped reading then; it must see the end all the same, where its poller can.
    watched = Watched()
    server = serve(watched.app)
    peer = server.peer()
    peer.send(get())
    server.until(lambda: watched.begun == 1)
    peer.send(get("/plain") * 4000)
    server.until(lambda: (peer.taken() or 0) >= 64 * 1024)
    leave(peer, how)
    if server.loop.poller.early_close:
        server.until(lambda: "closed" in watched.events, patience=3)
        assert watched.events == ["cancelled", "closed"]
    else:
        server.call(watched.release.set)  # nothing but an answer shows it the end
        server.until(server.is_idle)
        assert watched.events == ["closed"]


def test_a_handler_that_swallows_its_cancellation_harms_nobody(serve: Serve) -> None:
    app = tether.App()
    begun: list[str] = []
    ended: list[str] = []

    @app.get("/")
    async def stubborn(request: tether.Request) -> str:
        begun.append("x")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        ended.append("x")
        return "to nobody"

    server = serve(app)
    peer = server.peer()
    peer.send(get())
    server.until(lambda: bool(begun))
    peer.close()
    server.until(lambda: bool(ended))
    server.until(server.is_idle)


@pytest.mark.parametrize("how", ["FIN", "half close", "RST"])
@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET / HT",
        get()[:-2],
        post(b"0123456789")[:-5],
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_leaving_before_a_request_is_whole(serve: Serve, how: str, start: bytes) -> None:
    watched = Watched()
    server = serve(watched.app)
    peer = server.peer()
    server.until(lambda: server.server.connections == 1)
    if start:
        peer.send(start)
        peer.wait_until_read()
    leave(peer, how)
    if how == "half close":
        assert peer.rest() == b"", "no reply, a clean close"
    server.until(server.is_idle)
    assert watched.begun == 0


def test_a_request_that_came_with_its_end_of_file_is_answered(serve: Serve) -> None:
    # What a plain handler answers at once, it answers before the end is seen.
    watched = Watched()
    with serve(watched.app).peer() as peer:
        peer.send(get("/plain"))
        peer.half_close()
        assert peer.reply().body == b"plain"
        assert peer.rest() == b""


def test_leaving_while_a_large_reply_is_sent(serve: Serve) -> None:
    app = tether.App()

    @app.get("/")
    def big(request: tether.Request) -> bytes:
        return b"x" * 10_000_000

    server: LiveServer = serve(app)
    for how in ("FIN", "RST"):
        peer = server.peer()
        peer.send(get())
        assert peer.receive()
        leave(peer, how)
        server.until(server.is_idle)


def test_many_leave_at_once(serve: Serve) -> None:
    watched = Watched()
    server = serve(watched.app)
    peers = [server.peer() for _ in range(50)]
    for peer in peers:
        peer.send(get())
    server.until(lambda: watched.begun == 50)
    for index, peer in enumerate(peers):
        leave(peer, "FIN" if index % 2 else "RST")
    server.until(server.is_idle)
    assert sorted(watched.events) == ["cancelled"] * 50 + ["closed"] * 50


def test_leaving_before_the_handlers_first_step(serve: Serve) -> None:
    # The request and its end come in one piece: the handler's coroutine must not be forgotten.
    watched = Watched()
    server = serve(watched.app)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        def both() -> None:
            for peer in peers:
                peer.send(get())
                peer.half_close()

        peers = [server.peer() for _ in range(5)]
        server.until(lambda: server.server.connections == 5)
        server.call(both)
        for peer in peers:
            assert peer.rest() == b""
        server.until(server.is_idle)
    assert [str(warning.message) for warning in caught] == []
