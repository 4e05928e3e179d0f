"""`max_dispatch` and `max_callbacks`: no kind of work starves the others, and none is lost."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import pytest

import tether
from tether import READ

LIMITS = [{"max_callbacks": 4}, {"max_dispatch": 0.000_001}, {"max_dispatch": 0.01}]


@pytest.mark.parametrize("limits", LIMITS)
def test_callbacks_keep_their_order(limits: dict[str, float]) -> None:
    loop = tether.Loop(**limits)  # type: ignore[arg-type]
    order: list[int] = []
    for number in range(1000):
        loop.call_soon(order.append, number)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert order == list(range(1000))
    loop.close()


@pytest.mark.parametrize("limits", LIMITS)
def test_timers_keep_their_order(limits: dict[str, float]) -> None:
    loop = tether.Loop(**limits)  # type: ignore[arg-type]
    order: list[int] = []
    when = loop.time()
    for number in range(1000):
        loop.call_at(when + number * 1e-9, order.append, number)
    loop.call_at(when + 1e-3, loop.stop)
    loop.run_forever()
    assert order == list(range(1000))
    loop.close()


def test_a_pass_ends_where_the_count_is_reached() -> None:
    loop = tether.Loop(max_callbacks=3)
    order: list[int] = []
    for number in range(7):
        loop.call_soon(order.append, number)
    assert loop.run_once() == 3
    assert loop.run_once() == 3
    assert loop.run_once() == 1
    assert order == list(range(7))
    loop.close()


def test_a_pass_ends_where_the_time_is_over() -> None:
    loop = tether.Loop(max_dispatch=0.01)
    for _ in range(3):
        loop.call_soon(time.sleep, 0.02)
    assert [loop.run_once() for _ in range(3)] == [1, 1, 1]
    loop.close()


def test_a_flood_of_callbacks_does_not_starve_timers_and_events() -> None:
    loop = tether.Loop(max_callbacks=10)
    ours, theirs = socket.socketpair()
    seen: list[str] = []
    flood = 0

    def more() -> None:
        # Each adds two: the queue only grows.
        nonlocal flood
        flood += 1
        loop.call_soon(more)
        loop.call_soon(more)

    more()
    for _ in range(20):
        loop.run_once()
    loop.call_at(loop.time() - 1, seen.append, "timer")
    loop.scope.after(0, seen.append, "scope's timer")
    loop.scope.watch(ours, READ, lambda what: seen.append("event"))
    theirs.send(b"x")
    before = flood
    loop.run_once()
    loop.run_once()
    assert {"timer", "scope's timer", "event"} == set(seen)
    assert flood - before <= 20
    loop.close()
    ours.close()
    theirs.close()


def test_a_flood_of_timers_does_not_starve_callbacks_and_events() -> None:
    loop = tether.Loop(max_callbacks=10)
    ours, theirs = socket.socketpair()
    seen: list[str] = []
    fired = 0

    def fire() -> None:
        nonlocal fired
        fired += 1

    for _ in range(5000):
        loop.call_at(loop.time() - 1, fire)
    loop.run_once()
    loop.call_soon(seen.append, "callback")
    loop.scope.watch(ours, READ, lambda what: seen.append("event"))
    theirs.send(b"x")
    loop.run_once()
    assert seen == ["event", "callback"]
    assert fired == 20
    while fired < 5000:
        loop.run_once()
    loop.close()
    ours.close()
    theirs.close()


def test_a_flood_of_events_does_not_starve_callbacks_and_timers() -> None:
    loop = tether.Loop(max_callbacks=10)
    pipes = [os.pipe() for _ in range(200)]
    seen: list[str] = []
    served: list[int] = []
    for reading, writing in pipes:
        os.write(writing, b"x")
        loop.scope.watch(reading, READ, served.append)  # never read: ready again and again
    loop.run_once()
    loop.call_soon(seen.append, "callback")
    loop.call_at(loop.time() - 1, seen.append, "timer")
    loop.run_once()
    assert seen == ["callback", "timer"]
    assert len(served) == 20
    loop.close()
    for pipe in pipes:
        os.close(pipe[0])
        os.close(pipe[1])


@pytest.mark.parametrize("limits", LIMITS)
def test_no_edge_is_lost(limits: dict[str, float]) -> None:
    # Streams are told of edges: one that a pass did not come to is served by the next.
    count, size = 50, 100_000
    loop = tether.Loop(**limits)  # type: ignore[arg-type]
    got: dict[tether.Stream, int] = {}
    done = asyncio.Event()

    def accept(stream: tether.Stream) -> None:
        got[stream] = 0

        def take(data: bytes) -> None:
            got[stream] += len(data)
            if len(got) == count and set(got.values()) == {size}:
                done.set()

        stream.on_data(take)

    async def main() -> None:
        listener = tether.listen("127.0.0.1:0", accept)
        host, port = listener.address.split(":")
        clients = [socket.create_connection((host, int(port))) for _ in range(count)]
        sending = [
            asyncio.create_task(asyncio.to_thread(client.sendall, bytes(size)))
            for client in clients
        ]
        async with asyncio.timeout(20):
            await done.wait()
            await asyncio.gather(*sending)
        for client in clients:
            client.close()
        listener.close()
        await listener.wait_closed()

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    assert list(got.values()) == [size] * count
    loop.close()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_the_time_is_above_zero(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds above 0"):
        tether.Loop(max_dispatch=seconds)


@pytest.mark.parametrize("count", [0, -1])
def test_the_count_begins_at_one(count: int) -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        tether.Loop(max_callbacks=count)
