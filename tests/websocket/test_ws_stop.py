"""A server that stops tells its sessions 1001 at once."""

from __future__ import annotations

import asyncio
import time

import pytest

import tether
from tests.http.live_server import Serve
from tests.websocket.raw_websocket import Client, Sessions, both_forms, close_frame


@pytest.mark.parametrize("path", both_forms())
def test_1001_at_once(serve: Serve, path: str) -> None:
    sessions = Sessions(serve)
    clients = [sessions.client(path=path) for _ in range(10)]
    sessions.server.until(lambda: len(sessions.opened) == 10)
    begun = time.monotonic()
    sessions.server.begin_to_stop()
    for client in clients:
        received = client.expect_close(1001)
        assert received.reason
        client.send(close_frame(1001))
        client.expect_end()
    assert time.monotonic() - begun < 1.0
    sessions.wait_closed(10)
    assert sessions.closed == [None] * 10
    assert {ws.close_code for ws in sessions.opened} == {1001}
    sessions.server.until(lambda: sessions.server.server.closed)


def test_a_client_that_does_not_answer_delays_no_longer_than_the_deadline(serve: Serve) -> None:
    sessions = Sessions(serve, close_timeout=0.3)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    begun = time.monotonic()
    sessions.server.begin_to_stop()
    client.expect_close(1001)
    client.expect_end()
    sessions.server.until(lambda: sessions.server.server.closed)
    assert 0.3 <= time.monotonic() - begun <= 1.3


def test_the_handler_may_finish_and_its_tasks_are_cancelled(serve: Serve) -> None:
    app = tether.App()
    order: list[str] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        async def child() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                order.append("child")

        ws.spawn(child())
        ws.on_close(lambda cause: order.append("closed"))
        async for _ in ws:
            pass
        order.append("loop ended")
        await asyncio.sleep(0.05)
        order.append("handler ended")

    server = serve(app)
    client = Client(server.peer())
    server.until(lambda: server.server.sessions == 1)
    client.text("x")
    client.peer.wait_until_read()
    server.begin_to_stop()
    client.expect_close(1001)
    client.send(close_frame(1001))
    client.expect_end()
    server.until(lambda: server.server.closed)
    assert sorted(order) == ["child", "closed", "handler ended", "loop ended"]


def test_stop_in_a_message_callback(serve: Serve) -> None:
    app = tether.App()

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        ws.on_message(lambda message: server.server.close())

    server = serve(app)
    clients = [Client(server.peer()) for _ in range(3)]
    clients[0].text("stop")
    for client in clients:
        client.expect_close(1001)
        client.send(close_frame())
        client.expect_end()
    server.until(lambda: server.server.closed)


@pytest.mark.parametrize("hook", ["none", "plain", "async"])
def test_stop_in_the_pass_of_an_upgrade(serve: Serve, hook: str) -> None:
    app = tether.App()

    if hook == "plain":
        app.before(lambda request: None)
    elif hook == "async":

        @app.before
        async def look(request: tether.Request) -> None:
            await asyncio.sleep(0)

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        server.server.close()

    server = serve(app)
    client = Client(server.peer())
    client.expect_close(1001)
    client.send(close_frame(1001))
    client.expect_end()

    async def wait() -> None:
        await server.server.wait_closed()

    server.wait_for(wait())
