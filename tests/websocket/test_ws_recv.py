"""`recv` is a plain awaitable: alone, with timeouts, gathered, shielded, in tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import tether
from tests.http.live_server import LiveServer, Serve
from tests.websocket.raw_websocket import Client, close_frame


class Receiving:
    """One session that has no callbacks, so that coroutines of the test may receive from it."""

    def __init__(self, serve: Serve) -> None:
        app = tether.App()
        opened: list[tether.WebSocket] = []
        app.websocket("/ws")(opened.append)
        self.server: LiveServer = serve(app)
        self.client = Client(self.server.peer())
        self.server.until(lambda: bool(opened))
        self.ws = opened[0]

    def run(self, function: Callable[[tether.WebSocket], Awaitable[object]]) -> object:
        return self.server.wait_for(function(self.ws))


@pytest.fixture
def receiving(serve: Serve) -> Receiving:
    return Receiving(serve)


def test_messages_wait_for_recv(receiving: Receiving) -> None:
    receiving.client.text("1")
    receiving.client.text("2")
    receiving.client.peer.wait_until_read()

    async def two(ws: tether.WebSocket) -> list[object]:
        return [await ws.recv(), await ws.recv()]

    assert receiving.run(two) == ["1", "2"]


def test_recv_waits_for_messages(receiving: Receiving) -> None:
    async def ask(ws: tether.WebSocket) -> object:
        await ws.send("ready")
        return await ws.recv()

    future = asyncio.run_coroutine_threadsafe(ask(receiving.ws), receiving.server.loop)
    receiving.client.expect(1, b"ready")
    receiving.client.text("answer")
    assert future.result(10) == "answer"


def test_a_second_concurrent_recv_raises(receiving: Receiving) -> None:
    async def twice(ws: tether.WebSocket) -> list[object]:
        async def one() -> object:
            return await ws.recv()

        first = asyncio.create_task(one())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await ws.recv()
        with pytest.raises(RuntimeError, match="another task"):
            async for _ in ws:
                pass
        receiving.client.text("for the first")
        return [await first]

    assert receiving.run(twice) == ["for the first"]


def test_recv_beside_on_message_raises(receiving: Receiving) -> None:
    async def both(ws: tether.WebSocket) -> None:
        ws.on_message(print)
        with pytest.raises(RuntimeError, match="on_message"):
            await ws.recv()

    receiving.run(both)


def test_on_message_beside_a_waiting_recv_raises(receiving: Receiving) -> None:
    async def both(ws: tether.WebSocket) -> object:
        waiting = asyncio.ensure_future(ws.recv())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="receives"):
            ws.on_message(pytest.fail)
        receiving.client.text("for the first")
        return await waiting

    assert receiving.run(both) == "for the first"


def test_wait_for_times_out_and_loses_nothing(receiving: Receiving) -> None:
    async def some(ws: tether.WebSocket) -> list[object]:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.01)
        receiving.client.text("1")
        first = await asyncio.wait_for(ws.recv(), 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ws.recv()
        receiving.client.text("2")
        async with asyncio.timeout(10):
            return [first, await ws.recv()]

    assert receiving.run(some) == ["1", "2"]


def test_a_message_that_comes_with_the_cancellation_is_not_lost(receiving: Receiving) -> None:
    async def cancelled(ws: tether.WebSocket) -> list[object]:
        async def one() -> object:
            return await ws.recv()

        found: list[object] = []
        for number in range(100):
            task = asyncio.create_task(one())
            await asyncio.sleep(0)
            receiving.client.text(str(number))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            task.cancel()
            try:
                found.append(await task)
            except asyncio.CancelledError:
                found.append(await asyncio.wait_for(ws.recv(), 10))
        return found

    assert receiving.run(cancelled) == [str(number) for number in range(100)]


def test_gather_shield_and_create_task(receiving: Receiving) -> None:
    async def around(ws: tether.WebSocket) -> list[object]:
        found: list[object] = []
        receiving.client.text("gather")
        found += await asyncio.gather(ws.recv(), asyncio.sleep(0, "slept"))
        receiving.client.text("shield")
        found.append(await asyncio.shield(ws.recv()))
        receiving.client.text("task")
        found.append(await asyncio.create_task(ws.recv()))  # type: ignore[arg-type, unused-ignore]
        receiving.client.text("ensure")
        found.append(await asyncio.ensure_future(ws.recv()))
        receiving.client.text("next")
        found.append(await anext(ws))
        async with asyncio.TaskGroup() as group:
            receiving.client.text("group")
            task = group.create_task(ws.recv())  # type: ignore[arg-type, unused-ignore]
        found.append(task.result())
        return found

    assert receiving.run(around) == [
        "gather", "slept", "shield", "task", "ensure", "next", "group",
    ]  # fmt: skip


def test_a_shielded_recv_goes_on(receiving: Receiving) -> None:
    async def shielded(ws: tether.WebSocket) -> object:
        inner = asyncio.ensure_future(ws.recv())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(inner), 0.01)
        receiving.client.text("later")
        return await inner

    assert receiving.run(shielded) == "later"


def test_asyncio_wait_and_queues_beside_it(receiving: Receiving) -> None:
    async def beside(ws: tether.WebSocket) -> list[object]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        received = asyncio.ensure_future(ws.recv())
        queued = asyncio.ensure_future(queue.get())
        queue.put_nowait("queued")
        await asyncio.wait([received, queued], return_when=asyncio.FIRST_COMPLETED)
        assert not received.done()
        receiving.client.text("received")
        await asyncio.wait([received])
        return [queued.result(), received.result()]

    assert receiving.run(beside) == ["queued", "received"]


def test_who_waits_when_it_closes(receiving: Receiving) -> None:
    async def wait(ws: tether.WebSocket) -> str:
        try:
            await ws.recv()
        except tether.Closed:
            return "closed"
        return "message"

    future = asyncio.run_coroutine_threadsafe(wait(receiving.ws), receiving.server.loop)
    receiving.server.call(lambda: None)
    receiving.client.send(close_frame())
    assert future.result(10) == "closed"


def test_who_waits_when_it_fails(receiving: Receiving) -> None:
    async def wait(ws: tether.WebSocket) -> BaseException | None:
        try:
            await ws.recv()
        except tether.NetworkError as error:
            return error
        return None

    future = asyncio.run_coroutine_threadsafe(wait(receiving.ws), receiving.server.loop)
    receiving.server.call(lambda: None)
    receiving.client.peer.reset()
    error = future.result(10)
    assert isinstance(error, tether.ConnectionClosed)
    assert error is not receiving.ws.error, "an exception of his own"


def test_what_came_before_an_orderly_close_may_still_be_received(receiving: Receiving) -> None:
    receiving.client.text("1")
    receiving.client.text("2")
    receiving.client.send(close_frame())
    receiving.client.expect_close(1000)

    async def rest(ws: tether.WebSocket) -> list[object]:
        return [message async for message in ws]

    assert receiving.run(rest) == ["1", "2"]


def test_an_awaitable_that_is_never_awaited_does_no_harm(receiving: Receiving) -> None:
    async def forget(ws: tether.WebSocket) -> object:
        _ = ws.recv()
        ws.send("x")
        receiving.client.text("kept")
        return await ws.recv()

    assert receiving.run(forget) == "kept"
