"""`before`, `on_start`, and what one request's handler sets, no other's sees."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

import tether
from tests.http.live_server import Serve, get
from tether import HTTPError, Response


@pytest.mark.parametrize("is_async", [False, True])
def test_before_answers_or_lets_go_on(serve: Serve, is_async: bool) -> None:
    app = tether.App()
    order: list[str] = []

    def judge(request: tether.Request) -> Response | None:
        order.append("first")
        if request.path == "/answered":
            return Response("by the hook", 203)
        if request.path == "/raised":
            raise HTTPError(403, "not you")
        return None

    if is_async:

        @app.before
        async def later(request: tether.Request) -> Response | None:
            await asyncio.sleep(0)
            return judge(request)

    else:
        app.before(judge)

    @app.before
    def second(request: tether.Request) -> None:
        order.append("second")

    @app.get("/{name}")
    def handler(request: tether.Request, name: str) -> str:
        order.append("handler")
        return name

    @app.get("/later/x")
    async def later_handler(request: tether.Request) -> str:
        await asyncio.sleep(0)
        return "later"

    server = serve(app)
    reply = server.ask(get("/answered"))
    assert (reply.status, reply.body, order) == (203, b"by the hook", ["first"])
    order.clear()
    reply = server.ask(get("/raised"))
    assert (reply.status, reply.body, order) == (403, b"not you\n", ["first"])
    order.clear()
    assert server.ask(get("/x")).body == b"x"
    assert order == ["first", "second", "handler"]
    assert server.ask(get("/later/x")).body == b"later"
    assert server.ask(get("/missing/x")).status == 404


def test_a_hook_that_fails_is_500(serve: Serve) -> None:
    app = tether.App()

    @app.before
    def fail(request: tether.Request) -> None:
        raise LookupError("hook")

    server = serve(app)
    assert server.ask(get()).status == 500
    assert len(server.problems) == 1
    server.problems.clear()


def test_on_start_comes_before_the_first_connection_and_owns(serve: Serve) -> None:
    app = tether.App()
    seen: list[str] = []

    @app.on_start
    async def start(server: tether.Server) -> None:
        await asyncio.sleep(0)
        seen.append(server.address)
        server.every(3600, print)
        server.on_close(lambda cause: seen.append("closed"))

    server = serve(app)
    assert seen == [server.address]
    server.stop()
    assert seen == [server.address, "closed"]


def test_context_variables_of_one_request_are_not_anothers(serve: Serve) -> None:
    app = tether.App()
    variable = contextvars.ContextVar("variable", default="unset")

    @app.get("/plain/{name}")
    def plain(request: tether.Request, name: str) -> str:
        before = variable.get()
        variable.set(name)
        return before

    @app.get("/later/{name}")
    async def later(request: tether.Request, name: str) -> str:
        before = variable.get()
        variable.set(name)
        await asyncio.sleep(0)
        return before if variable.get() == name else "lost"

    server = serve(app)
    with server.peer() as peer:
        for path in ("/plain/a", "/later/b", "/plain/c", "/later/d"):
            peer.send(get(path))
            assert peer.reply().body == b"unset"
    for path in ("/plain/a", "/later/b"):
        assert server.ask(get(path)).body == b"unset"


def test_what_a_hook_sets_its_handler_sees(serve: Serve) -> None:
    app = tether.App()
    variable = contextvars.ContextVar("variable", default="unset")

    @app.before
    def hook(request: tether.Request) -> None:
        variable.set(request.path)

    @app.get("/plain")
    def plain(request: tether.Request) -> str:
        return variable.get()

    @app.get("/later")
    async def later(request: tether.Request) -> str:
        await asyncio.sleep(0)
        return variable.get()

    server = serve(app)
    assert server.ask(get("/plain")).body == b"/plain"
    assert server.ask(get("/later")).body == b"/later"


def test_current_owner_is_the_request(serve: Serve) -> None:
    # What a handler starts under its request ends with it.
    app = tether.App()
    closed: list[str] = []

    @app.get("/")
    async def handler(request: tether.Request) -> str:
        request.on_close(lambda cause: closed.append("request"))
        request.own(tether.Scope(request, name="child")).on_close(
            lambda cause: closed.append("child")
        )
        return "done"

    server = serve(app)
    assert server.ask(get()).body == b"done"
    server.until(lambda: closed == ["child", "request"])
