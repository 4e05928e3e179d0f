"""Several watches of one descriptor, beside each other and beside asyncio's reader and writer."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

import tether
from tether import READ, WRITE


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_each_is_told_of_what_it_asked_for(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[tuple[str, int]] = []
    scopes = [tether.Scope(loop.scope) for _ in range(3)]
    scopes[0].watch(ours, READ, lambda what: told.append(("reader", what)))
    scopes[1].watch(ours, WRITE, lambda what: told.append(("writer", what)))
    scopes[2].watch(ours, READ | WRITE, lambda what: told.append(("both", what)))
    loop.run_once()
    assert told == [("writer", WRITE), ("both", WRITE)]
    told.clear()
    theirs.send(b"x")
    loop.run_once()
    assert told == [("reader", READ), ("writer", WRITE), ("both", READ | WRITE)]


def test_one_that_ends_leaves_the_others(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[str] = []
    scopes = [tether.Scope(loop.scope) for _ in range(3)]
    scopes[0].watch(ours, READ, lambda what: told.append("0"))
    scopes[1].watch(ours, READ, lambda what: told.append("1"))
    scopes[2].watch(ours, READ, lambda what: told.append("2"))
    theirs.send(b"x")
    scopes[1].close()
    loop.run_once()
    assert told == ["0", "2"]
    assert loop.counts.watches == 2


def test_the_first_may_cancel_the_others_and_add_one(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[str] = []

    def first(what: int) -> None:
        told.append("first")
        ours.recv(16)
        for watch in watches:
            watch.cancel()
        loop.scope.watch(ours, READ, lambda what: told.append("added"))

    watches = [
        loop.scope.watch(ours, READ, first),
        loop.scope.watch(ours, READ, lambda what: told.append("second")),
        loop.scope.watch(ours, READ, lambda what: told.append("third")),
    ]
    theirs.send(b"x")
    loop.run_once()
    # The added one came after the event, which was read by then.
    assert told == ["first"]
    theirs.send(b"y")
    loop.run_once()
    assert told == ["first", "added"]


def test_one_added_while_another_stays_hears_of_the_next_event_only(
    loop: tether.Loop, pair: Pair
) -> None:
    ours, theirs = pair
    told: list[str] = []

    def first(what: int) -> None:
        told.append("first")
        ours.recv(16)
        if len(told) == 1:
            loop.scope.watch(ours, READ, lambda what: told.append("added"))

    loop.scope.watch(ours, READ, first)
    loop.scope.watch(ours, READ, lambda what: told.append("second"))
    theirs.send(b"x")
    loop.run_once()
    assert told == ["first", "second"]


def test_beside_asyncios_reader_and_writer(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[str] = []
    loop.add_reader(ours, told.append, "asyncio reader")
    watch = loop.scope.watch(ours, READ, lambda what: told.append("watch"))
    loop.add_writer(ours, told.append, "asyncio writer")
    theirs.send(b"x")
    loop.run_once()
    # asyncio's are queued, and run in the same pass.
    assert told == ["watch", "asyncio reader", "asyncio writer"]
    told.clear()
    assert loop.remove_writer(ours)
    assert loop.remove_reader(ours)
    assert not loop.remove_reader(ours)
    loop.run_once()
    assert told == ["watch"]
    watch.cancel()
    loop.add_reader(ours, told.append, "asyncio again")
    loop.run_once()
    assert told == ["watch", "asyncio again"]
    assert loop.remove_reader(ours)


def test_asyncios_reader_is_replaced_and_the_watch_stays(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[str] = []
    loop.scope.watch(ours, READ, lambda what: told.append("watch"))
    loop.add_reader(ours, told.append, "first")
    loop.add_reader(ours, told.append, "second")
    theirs.send(b"x")
    loop.run_once()
    assert told == ["watch", "second"]
    loop.remove_reader(ours)


def test_interest_is_what_is_left(loop: tether.Loop, pair: Pair) -> None:
    # Nobody asks for WRITE any more: the loop does not spin on a descriptor that has room.
    ours, _ = pair
    told: list[int] = []
    loop.scope.watch(ours, READ, told.append)
    writer = loop.scope.watch(ours, WRITE, told.append)
    loop.run_once()
    assert told == [WRITE]
    writer.cancel()
    assert loop.run_once(timeout=0.01) == 0
