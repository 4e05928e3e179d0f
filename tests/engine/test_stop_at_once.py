"""`stop(at_once=True)`: the pass ends with the running callback, and nothing of it is lost."""

from __future__ import annotations

import asyncio
import socket

import pytest

import tether


def test_what_is_queued_stays_queued_in_its_order(loop: tether.Loop) -> None:
    order: list[str] = []

    def halt() -> None:
        order.append("halt")
        loop.call_soon(order.append, "added")
        loop.stop(at_once=True)

    loop.call_soon(order.append, "before")
    loop.call_soon(halt)
    loop.call_soon(order.append, "after")
    loop.run_forever()
    assert order == ["before", "halt"]
    loop.run_once()
    assert order == ["before", "halt", "after", "added"]


def test_stop_alone_ends_after_the_pass(loop: tether.Loop) -> None:
    order: list[str] = []
    loop.call_soon(loop.stop)
    loop.call_soon(order.append, "same pass")
    loop.run_forever()
    assert order == ["same pass"]


def test_timers_that_are_due_fire_in_the_next_run(loop: tether.Loop) -> None:
    order: list[str] = []
    when = loop.time()

    def halt() -> None:
        order.append("first")
        loop.stop(at_once=True)

    loop.call_at(when, halt)
    loop.call_at(when, order.append, "second")
    loop.scope.after(0, order.append, "third")
    loop.run_forever()
    assert order == ["first"]
    while len(order) < 3:
        loop.run_once()
    assert order == ["first", "second", "third"]


def test_events_that_were_polled_are_served_by_the_next_run(loop: tether.Loop) -> None:
    # Streams are told of edges, which come only once.
    ends: list[tuple[tether.Stream, socket.socket]] = []
    got: list[bytes] = []

    def take(data: bytes) -> None:
        got.append(data)
        loop.stop(at_once=True)

    def accept(stream: tether.Stream) -> None:
        stream.on_data(take)
        ends.append((stream, clients[len(ends)]))

    async def listen() -> tether.Listener:
        return tether.listen("127.0.0.1:0", accept)

    listener = loop.run_until_complete(listen())
    host, port = listener.address.split(":")
    clients = [socket.create_connection((host, int(port))) for _ in range(5)]
    while len(ends) < 5:
        loop.run_once()
    for number, client in enumerate(clients):
        client.send(b"%d" % number)
    runs = 0
    while len(got) < 5:
        loop.run_forever()
        runs += 1
        assert len(got) == runs
    assert sorted(got) == [b"0", b"1", b"2", b"3", b"4"]
    for client in clients:
        client.close()


def test_what_a_stream_wrote_leaves_in_the_next_run(loop: tether.Loop) -> None:
    async def open_stream() -> tuple[tether.Stream, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stream = await tether.connect(f"127.0.0.1:{listening.getsockname()[1]}")
            return stream, listening.accept()[0]

    stream, peer = loop.run_until_complete(open_stream())
    peer.setblocking(False)

    def write() -> None:
        stream.send(b"hello")
        loop.stop(at_once=True)

    loop.call_soon(write)
    loop.run_forever()
    with pytest.raises(BlockingIOError):
        peer.recv(16)
    loop.run_once()
    assert peer.recv(16) == b"hello"
    peer.close()


def test_before_a_run_it_ends_that_run_before_it_serves_anything(loop: tether.Loop) -> None:
    order: list[str] = []
    loop.call_soon(order.append, "later")
    loop.stop(at_once=True)
    loop.run_forever()
    assert order == []
    loop.run_once()
    assert order == ["later"]


def test_run_until_complete_says_that_it_was_stopped(loop: tether.Loop) -> None:
    async def main() -> str:
        loop.stop(at_once=True)
        await asyncio.sleep(0)
        return "done"

    task = loop.create_task(main())
    with pytest.raises(RuntimeError, match="stopped before"):
        loop.run_until_complete(task)
    assert loop.run_until_complete(task) == "done"
