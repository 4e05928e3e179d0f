"""Both forms of a handler, and what becomes of a session when its handler ends."""

from __future__ import annotations

import asyncio
import contextvars
import time

import pytest

import tether
from tests.http.live_server import Serve
from tests.websocket.raw_websocket import BINARY, TEXT, Client, close_frame, frame


def test_the_return_of_a_plain_handler_leaves_the_session_open(serve: Serve) -> None:
    app = tether.App()

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        ws.on_message(ws.send)

    client = Client(serve(app).peer())
    for _ in range(3):
        client.text("x")
        client.expect(TEXT, b"x")
    client.leave()


def test_the_return_of_an_async_handler_closes_with_1000(serve: Serve) -> None:
    app = tether.App()
    closed: list[BaseException | None] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        ws.on_close(closed.append)
        await ws.send(await ws.recv())

    server = serve(app)
    client = Client(server.peer())
    client.text("once")
    client.expect(TEXT, b"once")
    client.expect_close(1000)
    client.send(close_frame())
    client.expect_end()
    server.until(lambda: closed == [None])


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
def test_a_handler_that_raises_closes_with_1011_and_is_logged_once(
    serve: Serve, is_async: bool, at_once: bool
) -> None:
    app = tether.App()

    def fail(message: str | bytes = "") -> None:
        raise LookupError("the handler fails")

    if is_async:

        @app.websocket("/ws")
        async def later(ws: tether.WebSocket) -> None:
            if not at_once:
                await ws.recv()
            fail()

    else:

        @app.websocket("/ws")
        def session(ws: tether.WebSocket) -> None:
            if at_once:
                fail()
            ws.on_message(fail)

    server = serve(app)
    client = Client(server.peer())
    if not at_once:
        client.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
    received = client.expect_close(1011)
    assert "handler fails" not in received.reason
    client.send(close_frame(1011))
    client.expect_end()
    server.until(server.is_idle)
    assert len(server.problems) == 1
    record = server.problems[0]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    server.problems.clear()
    assert len(server.messages()) == 0


@pytest.mark.parametrize("kind", ["task", "timer", "every", "drain"])
def test_whose_failure_is_it_the_nearest_sessions(serve: Serve, kind: str) -> None:
    app = tether.App()
    opened: list[tether.WebSocket] = []

    def fail() -> None:
        raise LookupError("below")

    async def fail_later() -> None:
        fail()

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        opened.append(ws)
        if len(opened) > 1:
            ws.on_message(ws.send)
        elif kind == "task":
            ws.spawn(fail_later())
        elif kind == "timer":
            tether.Scope(ws, name="below").after(0, fail)
        elif kind == "every":
            ws.every(0.001, fail)
        else:
            ws.on_drain(fail)
            while ws.send(b"x" * 10_000):
                pass

    server = serve(app)
    failing = Client(server.peer())
    other = Client(server.peer())
    while (received := failing.receive()).opcode == BINARY:
        pass
    assert received.code == 1011
    other.text("not touched")
    other.expect(TEXT, b"not touched")
    other.leave()
    failing.peer.close()
    server.until(server.is_idle)
    assert len(server.problems) == 1
    server.problems.clear()


def test_a_clean_close_ends_async_for(serve: Serve) -> None:
    app = tether.App()
    order: list[object] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        ws.on_close(lambda cause: order.append("closed"))
        async for message in ws:
            order.append(message)
        order.append("ended")

    server = serve(app)
    client = Client(server.peer())
    client.send(frame(TEXT, b"1"), frame(BINARY, b"2"), close_frame())
    client.expect_close(1000)
    client.expect_end()
    server.until(lambda: len(order) == 4)
    assert order[:2] == ["1", b"2"]
    assert sorted(map(str, order[2:])) == ["closed", "ended"]


@pytest.mark.parametrize("code", [1000, 1001, 4000])
def test_recv_after_a_close(serve: Serve, code: int) -> None:
    app = tether.App()
    errors: list[BaseException] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        for _ in range(2):
            try:
                await ws.recv()
            except tether.NetworkError as error:
                errors.append(error)

    server = serve(app)
    client = Client(server.peer())
    client.send(close_frame(code))
    client.expect_close(code)
    server.until(lambda: len(errors) == 2)
    # The first one is told the cause; later use is `Closed`, from the cause.
    first = tether.ConnectionClosed if code == 4000 else tether.Closed
    assert [type(error) for error in errors] == [first, tether.Closed]
    assert errors[0] is not errors[1]
    assert isinstance(errors[1].__cause__, tether.ConnectionClosed if code == 4000 else type(None))


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_another_close_raises_its_cause_out_of_async_for(serve: Serve, how: str) -> None:
    app = tether.App()
    errors: list[BaseException] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        try:
            async for _ in ws:
                pass
        except tether.ConnectionClosed as error:
            errors.append(error)
            raise

    server = serve(app)
    client = Client(server.peer())
    server.until(lambda: server.server.sessions == 1)
    client.peer.reset() if how == "RST" else client.peer.close()
    server.until(lambda: bool(errors))
    server.until(server.is_idle)
    # What the session's own close raised in its handler is no news: nothing is logged.


def test_a_handler_has_linger_seconds_after_the_close_then_it_is_cancelled(serve: Serve) -> None:
    app = tether.App()
    events: list[str] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        async for _ in ws:
            pass
        events.append("saw the close")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    server = serve(app)
    client = Client(server.peer())
    begun = time.monotonic()
    client.send(close_frame())
    client.expect_close(1000)
    client.expect_end()
    assert time.monotonic() - begun < 1, "the client does not wait for the handler"
    server.until(lambda: events == ["saw the close", "cancelled"])
    assert 4.9 <= time.monotonic() - begun <= 6.5


def test_a_handler_that_ignores_its_messages_is_still_told(serve: Serve) -> None:
    app = tether.App()
    events: list[object] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        ws.on_close(lambda cause: events.append(type(cause)))
        await ws.wait_closed()
        events.append("woken")

    server = serve(app)
    client = Client(server.peer())
    server.until(lambda: server.server.sessions == 1)
    client.peer.reset()
    server.until(lambda: len(events) == 2)
    assert events == [tether.ConnectionClosed, "woken"]


def test_timers_and_tasks_end_with_the_session(serve: Serve) -> None:
    app = tether.App()
    ticks: list[int] = []
    ended: list[str] = []

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        async def forever(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        ws.every(0.002, lambda: ticks.append(len(ended)))
        ws.spawn(forever("first"))
        ws.spawn(forever("second"))
        ws.on_close(lambda cause: ended.append("closed"))

    server = serve(app)
    client = Client(server.peer())
    server.until(lambda: len(ticks) > 3)
    client.peer.reset()
    server.until(server.is_idle)
    assert ended == ["second", "first", "closed"], "newest first, on_close last"
    assert set(ticks) == {0}
    count = len(ticks)
    server.wait_for(asyncio.sleep(0.02))
    assert len(ticks) == count


def test_context_variables_of_one_session_are_not_anothers(serve: Serve) -> None:
    app = tether.App()
    name = contextvars.ContextVar("name", default="unset")

    @app.websocket("/ws")
    def plain(ws: tether.WebSocket) -> None:
        def on_message(message: str | bytes) -> None:
            before = name.get()
            name.set(str(message))
            ws.send(before)

        ws.on_message(on_message)

    @app.websocket("/async")
    async def later(ws: tether.WebSocket) -> None:
        def answer(before: str) -> None:
            ws.send(f"{before} {name.get()}")

        async for message in ws:
            before = name.get()
            name.set(str(message))

            async def child() -> str:
                return name.get()

            assert await ws.spawn(child()) == message
            ws.after(0, answer, before)

    server = serve(app)
    first, second = Client(server.peer()), Client(server.peer())
    for client, text, before in [
        (first, "a", "unset"),
        (second, "b", "unset"),
        (first, "c", "a"),
        (second, "d", "b"),
    ]:
        client.text(text)
        client.expect(TEXT, before.encode())
    third, fourth = Client(server.peer(), path="/async"), Client(server.peer(), path="/async")
    for client, text, answer in [
        (third, "a", "unset a"),
        (fourth, "b", "unset b"),
        (third, "c", "a c"),
        (fourth, "d", "b d"),
    ]:
        client.text(text)
        client.expect(TEXT, answer.encode())


def test_text_is_str_and_binary_is_bytes(serve: Serve) -> None:
    app = tether.App()
    seen: list[object] = []

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        ws.on_message(lambda message: seen.append((type(message), message)))

    server = serve(app)
    client = Client(server.peer())
    client.send(frame(TEXT, "ü".encode()), frame(BINARY, b"\xff"), frame(TEXT), frame(BINARY))
    server.until(lambda: len(seen) == 4)
    assert seen == [(str, "ü"), (bytes, b"\xff"), (str, ""), (bytes, b"")]


def test_what_can_be_sent(serve: Serve) -> None:
    app = tether.App()

    class Text(str):
        __slots__ = ()

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        ws.send("ü" * 3000)
        ws.send(b"b" * 3000)
        ws.send(bytearray(b"array"))
        ws.send(memoryview(b"a view")[::2])
        ws.send(Text("sub"))
        ws.send_json({"a": [1, None, "ü"]})
        for wrong in (1, None, ["x"], "\ud800"):
            with pytest.raises((TypeError, UnicodeEncodeError)):
                ws.send(wrong)  # type: ignore[arg-type]
        ws.send("end")

    client = Client(serve(app).peer())
    client.expect(TEXT, "ü".encode() * 3000)
    client.expect(BINARY, b"b" * 3000)
    client.expect(BINARY, b"array")
    client.expect(BINARY, b"ave")
    client.expect(TEXT, b"sub")
    client.expect(TEXT, '{"a":[1,null,"ü"]}'.encode())
    client.expect(TEXT, b"end")


def test_an_async_callback_is_refused(serve: Serve) -> None:
    app = tether.App()
    errors: list[TypeError] = []

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        async def callback(message: str | bytes) -> None:
            pass

        try:
            ws.on_message(callback)  # type: ignore[arg-type, unused-ignore]
        except TypeError as error:
            errors.append(error)

    server = serve(app)
    Client(server.peer()).leave()
    assert "async for" in str(errors[0])


def test_path_parameters_and_the_request(serve: Serve) -> None:
    app = tether.App()

    @app.websocket("/rooms/{room}/{seat}")
    async def session(ws: tether.WebSocket, room: str, seat: int) -> None:
        await ws.send_json([room, seat, ws.request.query, ws.peer, ws.request.headers["host"]])

    server = serve(app)
    client = Client(server.peer(), path="/rooms/blue/7?a=b")
    client.expect(TEXT, f'["blue",7,{{"a":"b"}},"{client.peer.name}","a"]'.encode())
    client.expect_close(1000)


def test_using_a_session_from_a_foreign_thread_raises(serve: Serve) -> None:
    app = tether.App()
    opened: list[tether.WebSocket] = []
    app.websocket("/ws")(opened.append)
    server = serve(app)
    client = Client(server.peer())
    server.until(lambda: bool(opened))
    ws = opened[0]
    for use in (lambda: ws.send("x"), ws.close, lambda: ws.recv(), lambda: ws.after(1, print)):
        with pytest.raises(RuntimeError, match="foreign thread"):
            use()
    client.leave()
