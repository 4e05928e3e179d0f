"""A graceful stop: running requests finish, idle connections close, new ones are refused (27)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import pytest

import tether
from tests.http.live_server import PATIENCE, Serve, get
from tether import HTTPError


def gated(gate: asyncio.Event, begun: list[str]) -> tether.App:
    app = tether.App()

    @app.get("/gate")
    async def wait(request: tether.Request) -> str:
        begun.append("x")
        await gate.wait()
        return "finished"

    @app.get("/")
    def plain(request: tether.Request) -> str:
        return "plain"

    return app


def test_a_running_request_finishes_and_idle_connections_close_at_once(serve: Serve) -> None:
    gate, begun = asyncio.Event(), list[str]()
    server = serve(gated(gate, begun))
    running, kept, fresh, partial = (server.peer() for _ in range(4))
    running.send(get("/gate") + get("/"))
    kept.send(get())
    assert kept.reply().status == 200
    partial.send(b"GET / HT")
    partial.wait_until_read()
    server.until(lambda: bool(begun) and server.server.connections == 4)

    stopping = time.monotonic()
    server.begin_to_stop()
    assert kept.rest() == b""
    assert fresh.rest() == b""
    assert partial.rest() == b""
    assert time.monotonic() - stopping < 1.0
    with pytest.raises(ConnectionRefusedError), socket.socket() as late:
        late.connect(("127.0.0.1", server.port))

    server.call(gate.set)
    reply = running.reply()
    assert (reply.body, reply["connection"]) == (b"finished", "close")
    assert running.rest() == b"", "the request behind it is not begun any more"
    running.half_close()
    server.until(lambda: server.server.closed)


def test_a_request_that_does_not_end_is_given_up_at_the_deadline(serve: Serve) -> None:
    begun: list[str] = []
    server = serve(gated(asyncio.Event(), begun))
    with server.peer() as peer:
        peer.send(get("/gate"))
        server.until(lambda: bool(begun))
        stopping = time.monotonic()
        server.begin_to_stop()
        assert peer.rest() == b""
        assert 5.0 <= time.monotonic() - stopping <= 6.5


def test_a_reply_that_is_being_sent_is_sent_whole(serve: Serve) -> None:
    app = tether.App()

    @app.get("/")
    def big(request: tether.Request) -> bytes:
        return b"x" * 5_000_000

    server = serve(app)
    with server.peer(receive_buffer=4096) as peer:
        peer.send(get())
        head = peer.read_until(b"\r\n\r\n")
        server.begin_to_stop()
        assert b"200 OK" in head
        assert len(peer.rest()) == 5_000_000


def test_closing_in_a_handler_answers_it_first(serve: Serve) -> None:
    app = tether.App()

    @app.get("/stop")
    def stop(request: tether.Request) -> str:
        server.server.close()
        return "stopping"

    @app.get("/later")
    async def later(request: tether.Request) -> str:
        server.server.close()
        return "stopping"

    for path in ("/stop", "/later"):
        server = serve(app)
        with server.peer() as peer:
            peer.send(get(path))
            assert peer.reply().body == b"stopping"
            assert peer.rest() == b""


def test_stop_without_clients_is_immediate(serve: Serve) -> None:
    server = serve(tether.App())
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("cause", [None, RuntimeError("stop")])
def test_the_end_of_the_client_may_come_before_the_reply_is_there(
    serve: Serve, cause: BaseException | None
) -> None:
    # The reply is still being made when the server stops and the client leaves.
    gate, begun = asyncio.Event(), list[str]()
    making, left = threading.Event(), threading.Event()
    app = tether.App()

    class Late(HTTPError):
        def response(self) -> tether.Response:
            making.set()
            assert left.wait(PATIENCE)
            return super().response()

    @app.get("/")
    async def handler(request: tether.Request) -> str:
        begun.append("x")
        with contextlib.suppress(asyncio.CancelledError):
            await gate.wait()
        raise Late(404, "too late")

    server = serve(app)
    peer = server.peer()
    peer.send(get())
    server.until(lambda: bool(begun))
    server.call(server.server.close, cause)
    server.loop.call_soon_threadsafe(gate.set)
    assert making.wait(PATIENCE)
    peer.close()
    left.set()
    server.until(lambda: server.server.closed)
