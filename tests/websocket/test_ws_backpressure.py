"""A peer that reads slowly or never: memory is bounded, and nothing is lost."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

import pytest

import tether
from tests.http.live_server import PATIENCE, Serve
from tests.websocket.raw_websocket import BINARY, TEXT, Client, Sessions, both_forms, frame

MESSAGE = 8 * 1024


def numbered(count: int, size: int = MESSAGE) -> list[bytes]:
    return [struct.pack(">I", number) * (size // 4) for number in range(count)]


def sender(client: Client, messages: list[bytes]) -> threading.Thread:
    """Sends from a thread of its own, so that the test may read, or not."""

    def run() -> None:
        try:
            for message in messages:
                client.peer.socket.sendall(frame(BINARY, message))
        except OSError:
            pass

    client.peer.socket.settimeout(None)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def leave(client: Client, thread: threading.Thread) -> None:
    """Go without a word, also where the thread is blocked in sending."""
    client.peer.socket.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    client.peer.close()


def settle(sessions: Sessions) -> int:
    """Until the server has taken all it will take; how much it read then."""
    before, now = -1, 0
    quiet = 0
    while quiet < 30:
        sessions.server.call(lambda: None)
        threading.Event().wait(0.005)
        before, now = now, sessions.server.call(sessions_received, sessions) or 0
        quiet = quiet + 1 if before == now else 0
    return now


def sessions_received(sessions: Sessions) -> int:
    tree: str = sessions.server.loop.tree()
    return int(tree.rpartition(" in=")[2].partition(" ")[0])


@pytest.mark.parametrize("path", both_forms())
def test_a_peer_that_never_reads_is_not_read_any_more(serve: Serve, path: str) -> None:
    sessions = Sessions(serve, form="echo")
    client = sessions.client(path=path, receive_buffer=4096)
    thread = sender(client, numbered(4000))
    received = settle(sessions)
    ws = sessions.ws
    assert received < 4000 * MESSAGE, "the server took all of it"
    assert sessions.server.call(lambda: ws.buffered) <= ws.write_high + MESSAGE + 14
    assert thread.is_alive(), "the peer feels it"
    leave(client, thread)
    sessions.wait_closed()


@pytest.mark.parametrize("path", both_forms())
@pytest.mark.parametrize("size", [100, MESSAGE, 100_000])
def test_an_echo_loses_nothing_under_a_slow_reader(serve: Serve, path: str, size: int) -> None:
    sessions = Sessions(serve, form="echo")
    client = sessions.client(path=path, receive_buffer=4096)
    messages = numbered(8_000_000 // size // (1 if size > 1000 else 4), size)
    thread = sender(client, messages)
    settle(sessions)
    for index, message in enumerate(messages):
        received = client.receive()
        assert (index, received.opcode) == (index, BINARY)
        assert received.payload == message
    thread.join(PATIENCE)
    client.leave()


def test_a_late_on_message_loses_nothing_either(serve: Serve) -> None:
    # What had queued up before is handed on no faster than it can be answered.
    app = tether.App()
    opened: list[tether.WebSocket] = []
    app.websocket("/ws")(opened.append)
    server = serve(app)
    client = Client(server.peer(receive_buffer=4096))
    messages = numbered(100)
    thread = sender(client, messages)
    server.until(lambda: bool(opened))
    sessions_like = Sessions.__new__(Sessions)
    sessions_like.server = server
    settle(sessions_like)
    server.call(lambda: opened[0].on_message(opened[0].send))
    for index, message in enumerate(messages):
        assert (index, client.receive().payload) == (index, message)
    thread.join(PATIENCE)
    client.leave()


def test_messages_keep_their_order_when_on_message_is_set_late(serve: Serve) -> None:
    app = tether.App()
    opened: list[tether.WebSocket] = []
    messages: list[str | bytes] = []
    app.websocket("/ws")(opened.append)
    server = serve(app)
    client = Client(server.peer())
    client.text("1")
    client.peer.wait_until_read()

    def late() -> None:
        client.text("2")
        opened[0].on_message(messages.append)

    server.call(late)
    server.until(lambda: len(messages) == 2)
    assert messages == ["1", "2"]


def test_a_session_that_nobody_receives_from_is_bounded(serve: Serve) -> None:
    app = tether.App()
    opened: list[tether.WebSocket] = []
    app.websocket("/ws")(opened.append)
    server = serve(app)
    client = Client(server.peer())
    thread = sender(client, numbered(4000))
    sessions_like = Sessions.__new__(Sessions)
    sessions_like.server = server
    received = settle(sessions_like)
    assert received <= 2 * 1024 * 1024
    assert thread.is_alive()

    async def drain() -> list[int]:
        found: list[int] = []
        while len(found) < 4000:
            message = await opened[0].recv()
            assert isinstance(message, bytes)
            found.append(struct.unpack(">I", message[:4])[0])
        return found

    assert server.wait_for(drain()) == list(range(4000))
    thread.join(PATIENCE)


def test_empty_messages_are_bounded_too(serve: Serve) -> None:
    app = tether.App()
    opened: list[tether.WebSocket] = []
    app.websocket("/ws")(opened.append)
    server = serve(app)
    client = Client(server.peer())
    client.send(frame(TEXT) * 20_000)

    async def drain() -> int:
        count = 0
        while count < 20_000:
            assert await opened[0].recv() == ""
            count += 1
        return count

    server.until(lambda: bool(opened))
    assert server.wait_for(drain()) == 20_000
    client.leave()


class Pushing:
    """A session whose sending the test drives from inside."""

    def __init__(self, serve: Serve, **options: int) -> None:
        app = tether.App()
        self.opened: list[tether.WebSocket] = []
        self.drained = 0

        @app.websocket("/ws", **options)
        def session(ws: tether.WebSocket) -> None:
            self.opened.append(ws)

            def drained() -> None:
                self.drained += 1

            ws.on_drain(drained)

        self.server = serve(app)
        self.client = Client(self.server.peer(receive_buffer=4096))
        self.server.until(lambda: bool(self.opened))
        self.ws = self.opened[0]

    def fill(self) -> int:
        """Send until nothing more is taken, the system's buffers full too; how many were taken."""
        taken = 0

        def some() -> bool:
            nonlocal taken
            while self.ws.send(struct.pack(">I", taken) * (MESSAGE // 4)):
                taken += 1
                assert self.ws.buffered <= self.ws.write_high + MESSAGE + 4
            return False

        for _ in range(200):
            self.server.call(some)
        return taken

    def read(self, numbers: range) -> None:
        for number in numbers:
            assert self.client.receive().payload == struct.pack(">I", number) * (MESSAGE // 4)


def test_send_says_what_it_took(serve: Serve) -> None:
    pushing = Pushing(serve)
    taken = pushing.fill()
    ws = pushing.ws
    assert pushing.server.call(lambda: ws.buffered) >= ws.write_high
    for _ in range(100):
        assert not pushing.server.call(lambda: bool(ws.send(b"not taken")))
    assert pushing.server.call(lambda: ws.buffered) <= ws.write_high + MESSAGE + 4
    drained = pushing.drained
    pushing.read(range(taken))
    pushing.server.until(lambda: pushing.drained == drained + 1)
    assert pushing.server.call(lambda: bool(ws.send(b"taken")))
    pushing.client.expect(BINARY, b"taken")
    pushing.client.leave()


def test_marks_of_ones_own(serve: Serve) -> None:
    pushing = Pushing(serve, write_high=20_000, write_low=5_000)
    taken = pushing.fill()
    assert pushing.ws.write_high == 20_000
    assert pushing.ws.write_low == 5_000
    assert pushing.server.call(lambda: pushing.ws.buffered) <= 20_000 + MESSAGE + 4
    drained = pushing.drained
    pushing.read(range(taken))
    pushing.server.until(lambda: pushing.drained == drained + 1)


def test_awaiting_an_outcome_takes_it_at_the_low_mark(serve: Serve) -> None:
    pushing = Pushing(serve)
    taken = pushing.fill()
    done: list[int] = []

    async def send(number: int) -> None:
        await pushing.ws.send(struct.pack(">I", number) * (MESSAGE // 4))
        done.append(pushing.ws.buffered)

    def start() -> list[asyncio.Task[None]]:
        return [
            asyncio.get_running_loop().create_task(send(number))
            for number in range(taken, taken + 3)
        ]

    tasks = pushing.server.call(start)
    pushing.server.call(lambda: None)
    assert done == []
    pushing.read(range(taken + 3))
    pushing.server.until(lambda: all(task.done() for task in tasks))
    assert min(done) <= pushing.ws.write_low + MESSAGE + 4
    pushing.client.leave()


def test_cancelling_means_it_was_not_sent(serve: Serve) -> None:
    pushing = Pushing(serve)
    taken = pushing.fill()

    async def send(message: bytes) -> None:
        await pushing.ws.send(message)

    def start() -> list[asyncio.Task[None]]:
        loop = asyncio.get_running_loop()
        return [loop.create_task(send(message)) for message in (b"cancelled", b"sent")]

    first, second = pushing.server.call(start)
    pushing.server.call(lambda: None)
    pushing.server.call(first.cancel)
    pushing.read(range(taken))
    pushing.client.expect(BINARY, b"sent")
    pushing.server.until(second.done)
    assert first.cancelled()
    pushing.client.leave()


def test_who_waits_to_send_when_the_session_closes_gets_closed(serve: Serve) -> None:
    pushing = Pushing(serve)
    pushing.fill()
    errors: list[BaseException] = []

    async def send() -> None:
        try:
            await pushing.ws.send(b"never")
        except tether.NetworkError as error:
            errors.append(error)

    tasks = pushing.server.call(
        lambda: [asyncio.get_running_loop().create_task(send()) for _ in range(3)]
    )
    pushing.server.call(lambda: None)
    pushing.client.peer.reset()
    pushing.server.until(lambda: all(task.done() for task in tasks))
    assert len(errors) == 3
    pushing.server.until(pushing.server.is_idle)


def test_one_slow_reader_does_not_slow_the_others(serve: Serve) -> None:
    sessions = Sessions(serve, form="echo")
    slow = sessions.client(receive_buffer=4096)
    thread = sender(slow, numbered(4000))
    settle(sessions)
    quick = sessions.client()
    for number in range(200):
        quick.text(str(number))
        quick.expect(TEXT, str(number).encode())
    leave(slow, thread)
    quick.leave()


def test_a_close_is_not_held_up_for_ever_by_one_who_does_not_read(serve: Serve) -> None:
    pushing = Pushing(serve, close_timeout=1)
    pushing.fill()
    closed: list[BaseException | None] = []
    pushing.server.call(lambda: pushing.ws.on_close(closed.append))
    pushing.server.call(pushing.ws.close)
    pushing.server.until(lambda: bool(closed), patience=8)


def test_a_handler_that_closes_as_its_send_fails_does_not_hide_the_cause(serve: Serve) -> None:
    app = tether.App()
    opened: list[tether.WebSocket] = []
    seen: list[BaseException] = []
    closed: list[BaseException | None] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        ws.on_close(closed.append)
        opened.append(ws)
        try:
            while True:
                await ws.send(b"x" * 60_000)
        except tether.NetworkError as error:
            seen.append(error)
            ws.close()

    server = serve(app)
    client = Client(server.peer(receive_buffer=4096))
    server.until(lambda: bool(opened) and opened[0].buffered >= opened[0].write_high)
    client.peer.reset()
    server.until(lambda: bool(closed))
    assert len(seen) == 1
    assert isinstance(closed[0], tether.ConnectionClosed)
    assert opened[0].error is closed[0]
