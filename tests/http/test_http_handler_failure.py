"""A handler that fails answers 500, is logged once with its traceback, and the next one is fine."""

from __future__ import annotations

import asyncio
import json

import pytest

import tether
from tests.http.live_server import LiveServer, Serve, get, post
from tether import HTTPError


def failing_app() -> tether.App:
    app = tether.App()

    @app.get("/plain")
    def plain(request: tether.Request) -> str:
        raise LookupError("plain fails")

    @app.get("/later")
    async def later(request: tether.Request) -> str:
        await asyncio.sleep(0)
        raise LookupError("later fails")

    @app.get("/spawned")
    async def spawned(request: tether.Request) -> str:
        async def fail() -> None:
            raise LookupError("spawned fails")

        request.spawn(fail())
        await asyncio.Event().wait()
        return "never"

    @app.get("/timer")
    async def timer(request: tether.Request) -> str:
        def fail() -> None:
            raise LookupError("timer fails")

        request.after(0, fail)
        await asyncio.Event().wait()
        return "never"

    @app.get("/result")
    def result(request: tether.Request) -> object:
        return object()

    @app.get("/no-message")
    def no_message(request: tether.Request) -> str:
        raise HTTPError(400, ValueError("no text"))  # type: ignore[arg-type]

    @app.get("/no-message-later")
    async def no_message_later(request: tether.Request) -> str:
        await asyncio.sleep(0)
        return no_message(request)

    @app.get("/cancelled")
    async def cancelled(request: tether.Request) -> str:
        raise asyncio.CancelledError

    @app.get("/closes")
    def closes(request: tether.Request) -> str:
        request.close()
        return "answered"

    @app.get("/closes-later")
    async def closes_later(request: tether.Request) -> str:
        request.close()
        await asyncio.sleep(0)
        return "answered"

    @app.get("/aborts")
    async def aborts(request: tether.Request) -> str:
        request.abort()
        await asyncio.sleep(0)
        return "answered"

    @app.get("/fine")
    def fine(request: tether.Request) -> str:
        return "fine"

    @app.post("/json")
    def read(request: tether.Request) -> object:
        return request.json()

    return app


@pytest.fixture
def server(serve: Serve) -> LiveServer:
    return serve(failing_app())


@pytest.mark.parametrize("name", ["plain", "later", "spawned", "timer"])
def test_500_one_log_record_and_the_connection_goes_on(server: LiveServer, name: str) -> None:
    with server.peer() as peer:
        for _ in range(2):
            peer.send(get(f"/{name}"))
            reply = peer.reply()
            assert (reply.status, reply.body) == (500, b"Internal Server Error\n")
            peer.send(get("/fine"))
            assert peer.reply().body == b"fine"
    assert len(server.problems) == 2
    for record in server.problems:
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], LookupError)
        assert str(record.exc_info[1]) == f"{name} fails"
        assert record.exc_info[2] is not None, "the traceback is logged"
    server.problems.clear()


def test_a_result_that_is_no_response_is_500(server: LiveServer) -> None:
    assert server.ask(get("/result")).status == 500
    assert len(server.problems) == 1
    server.problems.clear()


@pytest.mark.parametrize("name", ["no-message", "no-message-later"])
def test_an_error_that_makes_no_response_is_500(server: LiveServer, name: str) -> None:
    with server.peer() as peer:
        peer.send(get(f"/{name}") + get("/fine"))
        assert peer.reply().status == 500
        assert peer.reply().body == b"fine"
    assert len(server.problems) == 1
    server.problems.clear()


def test_a_handler_that_cancels_itself_is_500(server: LiveServer) -> None:
    with server.peer() as peer:
        peer.send(get("/cancelled") + get("/fine"))
        assert peer.reply().status == 500
        assert peer.reply().body == b"fine"


@pytest.mark.parametrize("name", ["closes", "closes-later", "aborts"])
def test_a_request_that_its_handler_closes_leaves_no_client_waiting(
    server: LiveServer, name: str
) -> None:
    with server.peer() as peer:
        peer.send(get(f"/{name}", "Connection: close"))
        data = peer.rest()
        assert data == b"" or data.startswith((b"HTTP/1.1 500", b"HTTP/1.1 200"))
    server.until(server.is_idle)


def test_json_that_is_none_is_400(server: LiveServer) -> None:
    for body in (b"", b"{", b"\xff", b"nan", b"[1,]"):
        assert server.ask(post(body, path="/json")).status == 400
    assert json.loads(server.ask(post(b"[1]", path="/json")).body) == [1]


def test_the_detail_of_a_failure_stays_inside(server: LiveServer) -> None:
    reply = server.ask(get("/plain"))
    assert b"plain fails" not in reply.head + reply.body
    server.problems.clear()


def test_a_bad_request_is_no_problem_of_the_server(server: LiveServer) -> None:
    # Nobody can fill the log with garbage: it is no warning at all.
    for request in (b"\x00", get(version="HTTP/2.0"), get("/", *["X: y"] * 200)):
        assert server.ask(request).status >= 400
    assert server.messages() == []
