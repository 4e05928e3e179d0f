"""`scope.watch`: a descriptor's events, told from the dispatch, until the scope closes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

import tether
from tests.watch import Reports
from tether import CLOSED, READ, WRITE


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def told_early(loop: tether.Loop, pair: Pair) -> bool:
    """Whether the poller sees a close before it is read; one that does not refuses to try."""
    if not loop.poller.early_close:
        with pytest.raises(ValueError, match=f"{loop.poller.name} cannot tell that a peer closed"):
            loop.scope.watch(pair[0], CLOSED, print)
    return loop.poller.early_close


def told_of_changes(loop: tether.Loop, pair: Pair) -> bool:
    """Whether the poller reports changes only; one that does not refuses to try."""
    if not loop.poller.edge:
        with pytest.raises(ValueError, match=f"{loop.poller.name} cannot report changes only"):
            loop.scope.watch(pair[0], READ, print, edge=True)
    return loop.poller.edge


def fill(sender: socket.socket) -> None:
    try:
        while True:
            sender.send(bytes(65536))
    except BlockingIOError:
        pass


def test_read_is_told_as_long_as_there_is_something_to_read(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[int] = []
    loop.scope.watch(ours, READ, told.append)
    loop.run_once(block=False)
    assert told == []
    theirs.send(b"x")
    loop.run_once()
    loop.run_once()
    assert told == [READ, READ]
    ours.recv(16)
    loop.run_once(block=False)
    assert told == [READ, READ]


def test_write_is_told_while_there_is_room(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[int] = []
    fill(ours)
    loop.scope.watch(ours.fileno(), WRITE, told.append)
    loop.run_once(block=False)
    assert told == []
    while not told:
        theirs.recv(1 << 20)
        loop.run_once(block=False)
    assert told == [WRITE]


def test_what_happened_together_is_told_together(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[int] = []
    theirs.send(b"x")
    loop.scope.watch(ours, READ | WRITE, told.append)
    loop.run_once()
    assert told == [READ | WRITE]


def test_it_is_called_in_the_pass_of_its_event(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    order: list[str] = []
    loop.scope.watch(ours, READ, lambda what: order.append("watch"))
    loop.call_soon(order.append, "soon")
    theirs.send(b"x")
    loop.run_once()
    assert order == ["watch", "soon"]


def test_end_of_file_is_told_as_read(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[int] = []
    loop.scope.watch(ours, READ, told.append)
    theirs.close()
    loop.run_once()
    assert told == [READ]


def test_the_end_of_a_pipe_is_told(loop: tether.Loop) -> None:
    reading, writing = os.pipe()
    told: list[int] = []
    loop.scope.watch(reading, READ, told.append)
    os.close(writing)
    loop.run_once()
    assert told == [READ]
    os.close(reading)


def test_closed_is_told_before_the_data_is_read(loop: tether.Loop, pair: Pair) -> None:
    if not told_early(loop, pair):
        return
    ours, theirs = pair
    told: list[int] = []
    watch = loop.scope.watch(ours, CLOSED, told.append)
    theirs.send(b"unread")
    loop.run_once(block=False)
    assert told == []
    theirs.shutdown(socket.SHUT_WR)
    loop.run_once()
    assert told == [CLOSED]
    watch.cancel()
    assert ours.recv(16) == b"unread"


def test_a_poller_that_cannot_tell_of_a_close_says_so(loop: tether.Loop, pair: Pair) -> None:
    if loop.poller.early_close:
        assert loop.scope.watch(pair[0], CLOSED, print).active
        return
    with pytest.raises(ValueError, match="cannot tell that a peer closed"):
        loop.scope.watch(pair[0], CLOSED, print)


def test_a_poller_that_reports_levels_only_says_so(loop: tether.Loop, pair: Pair) -> None:
    if loop.poller.edge:
        assert loop.scope.watch(pair[0], READ, print, edge=True).active
        return
    with pytest.raises(ValueError, match="cannot report changes only"):
        loop.scope.watch(pair[0], READ, print, edge=True)


def test_an_edge_is_told_once(loop: tether.Loop, pair: Pair) -> None:
    if not told_of_changes(loop, pair):
        return
    ours, theirs = pair
    told: list[int] = []
    loop.scope.watch(ours, READ, told.append, edge=True)
    theirs.send(b"x")
    loop.run_once()
    loop.run_once(block=False)
    assert told == [READ]
    theirs.send(b"y")
    loop.run_once()
    assert told == [READ, READ]


def test_who_comes_late_is_told_what_the_edge_was(loop: tether.Loop, pair: Pair) -> None:
    if not told_of_changes(loop, pair):
        return
    ours, theirs = pair
    early: list[int] = []
    late: list[int] = []
    loop.scope.watch(ours, READ, early.append, edge=True)
    theirs.send(b"x")
    loop.run_once()
    loop.scope.watch(ours, READ, late.append, edge=True)
    loop.run_once(block=False)
    assert late == [READ]


@pytest.mark.parametrize("first", [False, True])
def test_edge_and_level_do_not_mix(loop: tether.Loop, pair: Pair, first: bool) -> None:
    if not told_of_changes(loop, pair):
        return
    loop.scope.watch(pair[0], READ, print, edge=first)
    with pytest.raises(ValueError, match="triggered already"):
        loop.scope.watch(pair[0], WRITE, print, edge=not first)
    assert loop.counts.watches == 1


def test_cancel_inside_itself(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[int] = []

    def once(what: int) -> None:
        told.append(what)
        watch.cancel()
        watch.cancel()

    watch = loop.scope.watch(ours, READ, once)
    assert watch.active
    assert watch.fileno() == ours.fileno()
    theirs.send(b"x")
    loop.run_once()
    loop.run_once(block=False)
    assert told == [READ]
    assert not watch.active
    assert watch.fileno() == -1
    assert ours.recv(16) == b"x"  # the descriptor was left open
    assert loop.counts.watches == 0


@pytest.mark.parametrize("end", ["close", "abort"])
def test_it_ends_with_its_scope_inside_the_callback(
    loop: tether.Loop, pair: Pair, end: str
) -> None:
    ours, theirs = pair
    told: list[int] = []
    scope = tether.Scope(loop.scope)

    def close(what: int) -> None:
        told.append(what)
        getattr(scope, end)()

    watch = scope.watch(ours, READ, close)
    theirs.send(b"x")
    loop.run_once()
    loop.run_once(block=False)
    assert told == [READ]
    assert not watch.active
    assert ours.recv(16) == b"x"
    with pytest.raises(tether.Closed):
        scope.watch(ours, READ, print)


def test_a_sibling_that_is_closed_in_the_same_batch_hears_nothing(
    loop: tether.Loop, pair: Pair
) -> None:
    told: list[str] = []
    scopes = [tether.Scope(loop.scope, name=f"scope {number}") for number in range(2)]
    for number, end in enumerate(pair):
        end.send(b"x")

        def close_other(what: int, number: int = number) -> None:
            told.append(f"watch {number}")
            scopes[1 - number].close()

        scopes[number].watch(pair[number], READ, close_other)
    loop.run_once()
    loop.run_once(block=False)
    assert told in (["watch 0"] * len(told), ["watch 1"] * len(told))


def test_change_of_interest(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    told: list[int] = []
    watch = loop.scope.watch(ours, READ, told.append)
    theirs.send(b"x")
    watch.change(WRITE)
    assert watch.events == WRITE
    loop.run_once()
    assert told == [WRITE]
    watch.change(READ | WRITE)
    loop.run_once()
    assert told == [WRITE, READ | WRITE]
    watch.cancel()
    with pytest.raises(RuntimeError, match="has ended"):
        watch.change(READ)


@pytest.mark.parametrize("events", [0, 8, -1, READ | 16])
def test_events_are_checked(loop: tether.Loop, pair: Pair, events: int) -> None:
    with pytest.raises(ValueError, match="READ, WRITE and CLOSED"):
        loop.scope.watch(pair[0], events, print)
    watch = loop.scope.watch(pair[0], READ, print)
    with pytest.raises(ValueError, match="READ, WRITE and CLOSED"):
        watch.change(events)
    assert watch.events == READ


def test_what_cannot_be_watched_is_refused(loop: tether.Loop, pair: Pair) -> None:
    with pytest.raises(TypeError, match="callable"):
        loop.scope.watch(pair[0], READ, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="file object"):
        loop.scope.watch("socket", READ, print)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="file descriptor"):
        loop.scope.watch(-1, READ, print)
    assert loop.counts.watches == 0
    assert len(loop.tree().splitlines()) == 1


def test_a_closed_descriptor_is_refused(loop: tether.Loop) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.scope.watch(reading, READ, print)
    assert loop.counts.watches == 0


def test_a_streams_descriptor_is_refused(loop: tether.Loop) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stream = await tether.connect(f"127.0.0.1:{listening.getsockname()[1]}")
            with pytest.raises(RuntimeError, match="is used by"):
                loop.scope.watch(stream.fileno(), READ, print)
            stream.close()
            await stream.wait_closed()

    loop.run_until_complete(main())


def test_what_nobody_else_holds_stays_open_while_it_is_watched(
    loop: tether.Loop, pair: Pair
) -> None:
    class File:
        # Closes its descriptor with its last reference, as a file or a socket does.
        def __init__(self) -> None:
            self.number = os.dup(pair[0].fileno())

        def fileno(self) -> int:
            return self.number

        def __del__(self) -> None:
            os.close(self.number)

    told: list[int] = []
    watch = loop.scope.watch(File(), READ, told.append)
    number = watch.fileno()
    pair[1].send(b"x")
    loop.run_once()
    assert told == [READ]
    watch.cancel()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_failure_closes_the_session_above(
    loop: tether.Loop, pair: Pair, reports: Reports
) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    told: list[int] = []

    def fail(what: int) -> None:
        told.append(what)
        raise ValueError("planned")

    watch = loop.scope.watch(ours, READ, fail)
    loop.run_once()
    assert [str(error) for error in reports.take_errors()] == ["planned"]
    assert watch.active  # the root is no session: it was only logged
    watch.cancel()


def test_a_coroutine_function_is_spawned(loop: tether.Loop, pair: Pair) -> None:
    ours, theirs = pair
    got: asyncio.Future[bytes] = loop.create_future()

    async def read(what: int) -> None:
        watch.cancel()
        await asyncio.sleep(0)
        got.set_result(ours.recv(16))

    watch = loop.scope.watch(ours, READ, read)
    theirs.send(b"x")
    assert loop.run_until_complete(got) == b"x"


def test_tree_and_counts_show_it(loop: tether.Loop, pair: Pair) -> None:
    scope = tether.Scope(loop.scope, name="owner")
    scope.watch(pair[0], READ | WRITE, print)
    number = pair[0].fileno()
    assert f"    <Watch {number} READ|WRITE print>" in loop.tree().splitlines()
    assert loop.counts.watches == 1
    scope.close()
    assert loop.counts.watches == 0


def test_what_it_sets_in_its_context_no_other_sees(loop: tether.Loop, pair: Pair) -> None:
    name: ContextVar[str] = ContextVar("name", default="unset")
    seen: list[str] = []
    scopes = [tether.Scope(loop.scope) for _ in range(2)]
    for number, end in enumerate(pair):
        end.send(b"x")

        def look(what: int, number: int = number) -> None:
            seen.append(name.get())
            name.set(f"scope {number}")

        scopes[number].watch(pair[number], READ, look)
    loop.run_once()
    assert seen == ["unset", "unset"]
    loop.run_once()
    assert sorted(seen[2:]) == ["scope 0", "scope 1"]
    assert name.get() == "unset"


def test_none_of_400_pipes_is_forgotten(loop: tether.Loop) -> None:
    count = 400
    if loop.poller.max_fd >= 0:
        count = min(count, (loop.poller.max_fd - 100) // 2)
    pipes = [os.pipe() for _ in range(count)]
    got: list[int] = []
    for number, (reading, _) in enumerate(pipes):

        def read(what: int, number: int = number, reading: int = reading) -> None:
            os.read(reading, 1)
            got.append(number)

        loop.scope.watch(reading, READ, read)
    for _, writing in pipes:
        os.write(writing, b"x")
    while len(got) < count:
        loop.run_once()
    assert sorted(got) == list(range(count))
    loop.scope.close()
    for pipe in pipes:
        os.close(pipe[0])
        os.close(pipe[1])
