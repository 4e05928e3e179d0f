"""Pipelined requests: answered in order, one at a time, the waiting ones bounded (case 23)."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

import tether
from tests.http.live_server import PATIENCE, Serve, get, post


def numbered_app(gate: asyncio.Event | None = None) -> tuple[tether.App, list[int], list[int]]:
    app = tether.App()
    running: list[int] = []
    most: list[int] = [0]

    @app.get("/plain/{number}")
    def plain(request: tether.Request, number: int) -> str:
        return str(number)

    @app.get("/later/{number}")
    async def later(request: tether.Request, number: int) -> str:
        running.append(number)
        most[0] = max(most[0], len(running))
        # The first ones take longest.
        for _ in range(20 - number):
            await asyncio.sleep(0)
        running.remove(number)
        return str(number)

    @app.get("/gate")
    async def wait(request: tether.Request) -> str:
        assert gate is not None
        await gate.wait()
        return "open"

    @app.post("/post")
    def body(request: tether.Request) -> bytes:
        return bytes(request.body)

    return app, running, most


@pytest.mark.parametrize("kind", ["plain", "later"])
def test_replies_come_in_order_one_request_at_a_time(serve: Serve, kind: str) -> None:
    app, _, most = numbered_app()
    with serve(app).peer() as peer:
        peer.send(b"".join(get(f"/{kind}/{number}") for number in range(20)))
        assert [int(peer.reply().body) for _ in range(20)] == list(range(20))
        assert most[0] == (1 if kind == "later" else 0)


def test_plain_and_async_handlers_mixed_with_bodies(serve: Serve) -> None:
    app, _, _ = numbered_app()
    requests = [get("/plain/1"), get("/later/2"), post(b"3", path="/post"), get("/plain/4")]
    with serve(app).peer() as peer:
        for cut in range(0, len(b"".join(requests)), 7):
            peer.send_split(b"".join(requests), cut)
            assert [peer.reply().body for _ in requests] == [b"1", b"2", b"3", b"4"]


def test_an_error_closes_after_the_replies_before_it(serve: Serve) -> None:
    app, _, _ = numbered_app()
    with serve(app).peer() as peer:
        peer.send(get("/plain/1") + get("/later/2") + b"\x00" + get("/plain/3"))
        assert [peer.reply().status for _ in range(3)] == [200, 200, 400]
        assert peer.rest() == b""


def test_nothing_is_served_after_connection_close(serve: Serve) -> None:
    app, _, _ = numbered_app()
    with serve(app).peer() as peer:
        peer.send(get("/plain/1", "Connection: close") + get("/plain/2"))
        reply = peer.reply()
        assert (reply.body, reply["connection"]) == (b"1", "close")
        assert peer.rest() == b""


def test_what_waits_is_bounded_and_nothing_is_lost(serve: Serve) -> None:
    gate = asyncio.Event()
    app, _, _ = numbered_app(gate)
    server = serve(app)
    with server.peer() as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.send(get("/gate"))
        peer.wait_until_read()
        # The server reads on only up to its mark; the system's buffers fill, then we block.
        peer.socket.settimeout(0.5)
        request, sent = get("/plain/7"), 0
        with pytest.raises(TimeoutError):
            while True:
                sent += peer.socket.send((request * 2000)[sent % len(request) :])
        taken = server.call(peer.taken)
        assert taken is not None
        assert taken <= len(get("/gate")) + 64 * 1024
        assert sent > taken
        peer.socket.settimeout(PATIENCE)
        server.call(gate.set)
        assert peer.reply().body == b"open"
        for _ in range(sent // len(request)):
            assert peer.reply().body == b"7"
        assert server.call(peer.taken) == len(get("/gate")) + sent


def test_a_client_that_never_reads_its_replies_is_held_back(serve: Serve) -> None:
    app = tether.App()
    served = [0]

    @app.get("/big")
    def big(request: tether.Request) -> bytes:
        served[0] += 1
        return b"x" * 50_000

    server = serve(app)
    with server.peer(receive_buffer=4096) as peer:
        for _ in range(400):
            peer.send(get("/big"))
        peer.wait_until_read()
        before = -1
        while before != (now := server.call(lambda: served[0])):
            before = now
            server.call(lambda: None)
        # What the kernel takes, plus the high mark plus one reply; not all 400 of 20 MB.
        assert served[0] < 200
        for _ in range(400):
            assert len(peer.reply().body) == 50_000


@pytest.mark.parametrize("behind", [b"", b"GET /plain/1 HTTP/1.1\r\nHo"])
def test_all_that_was_asked_before_a_half_close_is_answered(serve: Serve, behind: bytes) -> None:
    app, _, _ = numbered_app()
    server = serve(app)
    sent = threading.Event()
    with server.peer() as peer:
        server.loop.call_soon_threadsafe(sent.wait, PATIENCE)  # it finds all of it, and the end
        peer.send(b"".join(get(f"/plain/{number}") for number in range(200)) + behind)
        peer.half_close()
        sent.set()
        assert [int(peer.reply().body) for _ in range(200)] == list(range(200))
        assert peer.rest() == b""
    server.until(server.is_idle)
