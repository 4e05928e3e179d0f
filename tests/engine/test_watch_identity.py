"""Numbers are no identities: a watch never hears of the file that got its descriptor next."""

from __future__ import annotations

import errno
import os
import socket

import pytest

import tether
from tether import READ, WRITE


def pipe_at(number: int) -> int:
    """A new pipe whose reading end is `number`, which is closed; returns the writing end."""
    reading, writing = os.pipe()
    if reading != number:
        if writing == number:
            writing = os.dup(writing)
        os.dup2(reading, number)
        os.close(reading)
    return writing


def test_a_new_file_of_the_number_is_not_told_to_the_old_watch(loop: tether.Loop) -> None:
    told: list[str] = []
    reading, writing = os.pipe()
    old = loop.scope.watch(reading, READ, lambda what: told.append("old"))
    os.close(reading)  # without a word to the loop
    os.close(writing)
    writing = pipe_at(reading)
    os.write(writing, b"x")
    loop.run_once(block=False)
    assert told == []
    old.cancel()
    os.close(reading)
    os.close(writing)


def test_who_watches_the_new_file_hears_of_it_and_the_old_one_ends(loop: tether.Loop) -> None:
    told: list[str] = []
    reading, writing = os.pipe()
    scopes = [tether.Scope(loop.scope) for _ in range(2)]
    old = scopes[0].watch(reading, READ, lambda what: told.append("old"))
    os.close(reading)
    os.close(writing)
    writing = pipe_at(reading)
    new = scopes[1].watch(reading, READ, lambda what: told.append("new"))
    assert not old.active
    assert new.active
    assert loop.counts.watches == 1
    os.write(writing, b"x")
    loop.run_once()
    assert told == ["new"]
    scopes[0].close()  # takes nothing from the new one
    loop.run_once()
    assert told == ["new", "new"]
    new.cancel()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("what", ["asyncio's reader", "a stream", "an edge watch"])
def test_whoever_gets_the_number_next_is_not_in_the_way(loop: tether.Loop, what: str) -> None:
    told: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        first = socket.socket()
        number = first.fileno()
        old = loop.scope.watch(number, WRITE, told.append)
        first.close()
        told.clear()
        if what == "a stream":

            async def connect() -> tuple[tether.Stream, int]:
                stream = await tether.connect(address)
                found = stream.fileno()
                stream.close()
                await stream.wait_closed()
                return stream, found

            _, found = loop.run_until_complete(connect())
            assert found == number
        else:
            ours, theirs = socket.socketpair()
            assert ours.fileno() == number
            if what == "asyncio's reader":
                loop.add_reader(ours, told.append, "reader")
            elif loop.poller.edge:
                loop.scope.watch(ours, READ, lambda what: told.append("reader"), edge=True)
            else:
                loop.scope.watch(ours, READ, lambda what: told.append("reader"))
            theirs.send(b"x")
            loop.run_once()
            assert told == ["reader"]
            loop.remove_reader(ours)
            loop.scope.close()
            ours.close()
            theirs.close()
        assert not old.active


def test_change_after_the_number_went_to_another_file_is_an_error(loop: tether.Loop) -> None:
    told: list[int] = []
    reading, writing = os.pipe()
    watch = loop.scope.watch(reading, READ, told.append)
    os.close(reading)
    os.close(writing)
    writing = pipe_at(reading)
    os.write(writing, b"x")
    with pytest.raises(OSError, match="was closed") as caught:
        watch.change(READ | WRITE)
    assert caught.value.errno == errno.EBADF
    assert not watch.active
    loop.run_once(block=False)
    assert told == []
    os.close(reading)
    os.close(writing)


def test_a_number_that_is_handed_out_again_within_one_batch(loop: tether.Loop) -> None:
    # Both ends are ready in one look; the first closes the other and its number goes to a new
    # pipe that is watched: what was polled for the old file is not told to the new watch.
    told: list[str] = []
    pairs = [socket.socketpair() for _ in range(2)]
    opened: list[int] = []

    def act(number: int) -> None:
        told.append(f"socket {number}")
        other = 1 - number
        watches[other].cancel()
        at = pairs[other][0].fileno()
        pairs[other][0].close()
        opened.extend((at, pipe_at(at)))
        loop.scope.watch(at, READ, lambda what: told.append("new pipe"))
        watches[number].cancel()

    watches = [
        loop.scope.watch(pairs[0][0], READ, lambda what: act(0)),
        loop.scope.watch(pairs[1][0], READ, lambda what: act(1)),
    ]
    for pair in pairs:
        pair[1].send(b"x")
    loop.run_once()
    assert len(told) == 1
    loop.run_once(block=False)
    assert len(told) == 1
    os.write(opened[1], b"x")
    loop.run_once()
    assert told[1:] == ["new pipe"]
    loop.scope.close()
    for descriptor in opened:
        os.close(descriptor)
    for pair in pairs:
        pair[0].close()
        pair[1].close()


def test_cancel_after_the_close_takes_nothing_from_the_next_file(loop: tether.Loop) -> None:
    told: list[str] = []
    reading, writing = os.pipe()
    old = loop.scope.watch(reading, READ, lambda what: told.append("old"))
    os.close(reading)
    os.close(writing)
    old.cancel()
    writing = pipe_at(reading)
    loop.scope.watch(reading, READ, lambda what: told.append("new"))
    old.cancel()
    os.write(writing, b"x")
    loop.run_once()
    assert told == ["new"]
    loop.scope.close()
    os.close(reading)
    os.close(writing)
