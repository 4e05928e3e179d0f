"""Closing: from either side, from both at once, in every callback; and sending after it (42)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

import tether
from tests.http.live_server import Serve
from tests.websocket.raw_websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Client,
    Sessions,
    both_forms,
    close_frame,
    frame,
    is_alive,
)
from tether.websocket.codes import CODE_OF_CAUSE, may_be_sent


@pytest.mark.parametrize("path", both_forms())
@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ({}, 1000, ""),
        ({"code": 4001, "reason": "enough"}, 4001, "enough"),
        ({"reason": "grüße"}, 1000, "grüße"),
        ({"cause": ValueError("broken")}, 1011, ""),
        ({"cause": tether.ProtocolError()}, 1002, ""),
        ({"cause": tether.WriteTimeout()}, 1013, ""),
        ({"cause": ValueError("broken"), "code": 1003}, 1003, ""),
    ],
)
def test_the_server_closes_and_the_client_answers(
    serve: Serve, path: str, arguments: dict[str, Any], code: int, reason: str
) -> None:
    sessions = Sessions(serve)
    client = sessions.client(path=path)
    sessions.server.until(lambda: bool(sessions.opened))
    ws = sessions.ws
    sessions.server.call(lambda: ws.close(**arguments))
    received = client.expect_close(code)
    assert received.reason == reason
    assert sessions.closed == [], "it waits for the answer"
    client.send(close_frame(code))
    client.expect_end()
    assert sessions.wait_closed() is arguments.get("cause")
    assert (ws.close_code, ws.closed_by, ws.state) == (code, "local", "closed")


def test_what_comes_between_our_close_and_the_answer_is_dropped(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    sessions.server.call(sessions.ws.close)
    client.expect_close(1000)
    client.send(frame(TEXT, b"late"), frame(PING, b"late"), frame(BINARY, bytes(100_000)))
    client.send(close_frame())
    client.expect_end()
    sessions.wait_closed()
    assert sessions.messages == []
    assert sessions.ws.close_code == 1000


@pytest.mark.parametrize("path", both_forms())
def test_both_close_at_once(serve: Serve, path: str) -> None:
    sessions = Sessions(serve)
    client = sessions.client(path=path)
    sessions.server.until(lambda: bool(sessions.opened))

    def cross() -> None:
        # The client's frame is on its way before the server begins, and is read after it.
        client.send(close_frame(4000, b"theirs"))
        sessions.ws.close(code=4001, reason="ours")

    sessions.server.call(cross)
    assert client.expect_close(4001).reason == "ours"
    client.expect_end()
    assert sessions.wait_closed() is None
    ws = sessions.ws
    assert (ws.close_code, ws.close_reason, ws.closed_by) == (4000, "theirs", "local")


def test_a_peer_that_never_answers_is_cut_off_at_the_deadline(serve: Serve) -> None:
    sessions = Sessions(serve, close_timeout=0.3)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    begun = time.monotonic()
    sessions.server.call(sessions.ws.close)
    client.expect_close(1000)
    client.expect_end()
    sessions.wait_closed()
    assert 0.3 <= time.monotonic() - begun <= 1.3
    assert sessions.ws.close_code == 1006


def test_a_peer_that_talks_on_instead_of_answering_is_cut_off_too(serve: Serve) -> None:
    sessions = Sessions(serve, close_timeout=0.3)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    sessions.server.call(sessions.ws.close)
    client.expect_close(1000)
    begun = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - begun < 5:
            client.send(frame(TEXT, b"x" * 1000))
    sessions.wait_closed()


def test_the_first_cause_wins(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))

    def close_often() -> None:
        sessions.ws.close(code=4001)
        sessions.ws.close(ValueError(), code=4002)
        sessions.ws.close()

    sessions.server.call(close_often)
    client.expect_close(4001)
    client.send(close_frame())
    client.expect_end()
    assert sessions.wait_closed() is None


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2000, 5000, -1])
def test_a_code_that_may_not_be_sent_is_an_error_of_the_caller(serve: Serve, code: int) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    with pytest.raises(ValueError, match="may not be sent"):
        sessions.server.call(lambda: sessions.ws.close(code=code))
    with pytest.raises(ValueError, match="123 bytes"):
        sessions.server.call(lambda: sessions.ws.close(reason="é" * 62))
    assert sessions.ws.state == "open"
    client.leave()


def closers() -> dict[str, Callable[[tether.WebSocket, str | bytes], None]]:
    def plain(ws: tether.WebSocket, message: str | bytes) -> None:
        ws.close(code=4000)

    def twice(ws: tether.WebSocket, message: str | bytes) -> None:
        ws.close(code=4000)
        ws.close(code=4001)

    def after_sending(ws: tether.WebSocket, message: str | bytes) -> None:
        assert ws.send("last")
        ws.close(code=4000)
        assert not ws.send("never")

    def by_scope(ws: tether.WebSocket, message: str | bytes) -> None:
        tether.Scope(ws, name="below").close()
        ws.close(code=4000)

    return {"plain": plain, "twice": twice, "after sending": after_sending, "scope": by_scope}


@pytest.mark.parametrize("name", closers())
def test_close_in_a_message_callback_and_no_callback_after_it(serve: Serve, name: str) -> None:
    app = tether.App()
    messages: list[str | bytes] = []
    closed: list[BaseException | None] = []
    drained: list[str] = []

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        def on_message(message: str | bytes) -> None:
            messages.append(message)
            closers()[name](ws, message)

        ws.on_message(on_message)
        ws.on_drain(lambda: drained.append("drained"))
        ws.every(0.001, lambda: messages.append("tick") if messages else None)
        ws.on_close(closed.append)

    server = serve(app)
    client = Client(server.peer())
    client.send(frame(TEXT, b"one"), frame(TEXT, b"two"), frame(PING, b"x"), frame(TEXT, b"three"))
    if name == "after sending":
        client.expect(TEXT, b"last")
    received = client.receive()
    if received.opcode == PONG:
        received = client.receive()
    assert (received.opcode, received.code) == (CLOSE, 4000)
    client.send(frame(TEXT, b"four"), close_frame(4000))
    client.expect_end()
    server.until(lambda: closed == [None])
    assert messages == ["one"]


def test_abort_in_a_message_callback(serve: Serve) -> None:
    app = tether.App()
    messages: list[str | bytes] = []

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        def on_message(message: str | bytes) -> None:
            messages.append(message)
            ws.abort()

        ws.on_message(on_message)

    server = serve(app)
    client = Client(server.peer())
    client.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
    client.expect_end()
    server.until(server.is_idle)
    assert messages == ["one"]


def test_a_sibling_closes_another(serve: Serve) -> None:
    app = tether.App()
    opened: list[tether.WebSocket] = []
    messages: list[str | bytes] = []

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        opened.append(ws)

        def on_message(message: str | bytes) -> None:
            messages.append(message)
            for other in opened:
                if other is not ws:
                    other.close(code=4000)

        ws.on_message(on_message)

    server = serve(app)
    first, second = Client(server.peer()), Client(server.peer())
    server.until(lambda: len(opened) == 2)

    def both() -> None:
        # Both are readable in the same pass; whichever comes first closes the other.
        first.text("1")
        second.text("2")

    server.call(both)
    server.until(lambda: len(messages) > 0)
    server.call(lambda: None)
    assert len(messages) == 1
    loser = second if messages == ["1"] else first
    loser.expect_close(4000)


def test_sending_after_the_close(serve: Serve) -> None:
    sessions = Sessions(serve)
    client, other = sessions.client(), sessions.client()
    sessions.server.until(lambda: len(sessions.opened) == 2)
    gone, sender = sessions.opened
    raised: list[BaseException] = []

    def closed_one_is_sent_to() -> None:
        gone.close(code=4000)
        for message in ("text", b"bytes", "x" * 100_000):
            assert not gone.send(message)
        assert not gone.send_json({"a": 1})

    async def awaiting() -> None:
        for _ in range(2):
            try:
                await gone.send("again")
            except tether.Closed as error:
                raised.append(error)

    sessions.server.call(closed_one_is_sent_to)
    sessions.server.wait_for(awaiting())
    client.expect_close(4000)
    client.send(close_frame())
    client.expect_end()
    sessions.wait_closed()
    sessions.server.wait_for(awaiting())
    assert len(raised) == 4
    # The one who speaks lives on.
    assert sessions.server.call(lambda: bool(sender.send("still here")))
    other.expect(TEXT, b"still here")
    other.leave()


def test_closed_has_the_cause(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    client.peer.reset()
    cause = sessions.wait_closed()
    assert isinstance(cause, tether.ConnectionClosed)

    async def send() -> None:
        await sessions.ws.send("x")

    with pytest.raises(tether.Closed) as caught:
        sessions.server.wait_for(send())
    assert caught.value.__cause__ is cause


def test_later_use_raises_closed(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.leave()
    sessions.wait_closed()
    ws = sessions.ws
    uses: list[Callable[[], object]] = [
        lambda: ws.on_message(print),
        lambda: ws.on_drain(print),
        lambda: ws.every(1, print),
        lambda: ws.after(1, print),
        lambda: ws.on_close(print),
    ]
    for use in uses:
        with pytest.raises(tether.Closed):
            sessions.server.call(use)
    assert sessions.server.call(lambda: ws.buffered) == 0
    sessions.server.call(ws.close)
    sessions.server.call(ws.abort)


@pytest.mark.parametrize("how", ["FIN", "RST", "in a frame", "in a header", "in a message"])
@pytest.mark.parametrize("path", both_forms())
def test_leaving_without_a_close_frame(serve: Serve, how: str, path: str) -> None:
    sessions = Sessions(serve)
    client = sessions.client(path=path)
    sessions.server.until(lambda: bool(sessions.opened))
    start = {
        "in a frame": frame(TEXT, b"hello")[:-2],
        "in a header": frame(TEXT, b"x" * 1000)[:3],
        "in a message": frame(TEXT, b"hello", final=False),
    }.get(how, b"")
    if start:
        client.send(start)
        client.peer.wait_until_read()
    if how == "RST":
        client.peer.reset()
    else:
        client.peer.close()
    cause = sessions.wait_closed()
    ws = sessions.ws
    assert isinstance(cause, tether.ConnectionClosed)
    assert cause.phase == "message"
    assert (ws.close_code, ws.closed_by) == (1006, "peer")
    assert is_alive(sessions)


def test_a_half_closed_peer_is_answered_with_an_end(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.text("a")
    client.expect(TEXT, b"a")
    client.peer.half_close()
    rest = client.peer.rest()
    assert rest == b"" or rest[:1] == b"\x88"
    sessions.wait_closed()


@pytest.mark.parametrize(
    ("kind", "code"),
    [(kind, code) for kind, code in CODE_OF_CAUSE if kind is not None],
)
def test_the_table_of_causes(serve: Serve, kind: type[BaseException], code: int) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    sessions.server.call(lambda: sessions.ws.close(kind()))
    client.expect_close(code)
    assert may_be_sent(code)


def test_sessions_are_counted(serve: Serve) -> None:
    sessions = Sessions(serve)
    clients = [sessions.client() for _ in range(5)]
    sessions.server.until(lambda: sessions.server.server.sessions == 5)
    clients[0].leave()
    clients[1].peer.reset()
    clients[2].peer.close()
    sessions.server.until(lambda: sessions.server.server.sessions == 2)


def test_an_on_close_that_fails_is_logged_and_the_rest_goes_on(serve: Serve) -> None:
    app = tether.App()
    order: list[str] = []

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        def fail(cause: BaseException | None) -> None:
            order.append("fails")
            raise LookupError("on_close")

        ws.on_close(fail)
        ws.on_close(lambda cause: order.append("goes on"))

    server = serve(app)
    Client(server.peer()).leave()
    server.until(lambda: order == ["fails", "goes on"])
    assert len(server.problems) == 1
    server.problems.clear()


def test_wait_closed_wakes_and_cannot_be_awaited_from_within(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    sessions.server.until(lambda: bool(sessions.opened))
    errors: list[BaseException] = []

    async def inside() -> None:
        try:
            await sessions.ws.wait_closed()
        except RuntimeError as error:
            errors.append(error)

    sessions.server.call(lambda: sessions.ws.spawn(inside()))
    sessions.server.until(lambda: bool(errors))

    async def outside() -> str:
        await asyncio.wait_for(sessions.ws.wait_closed(), 10)
        return str(sessions.ws.state)

    client.send(close_frame())
    assert sessions.server.wait_for(outside()) == "closed"
