"""Two streams that talk, and end at random points: what one took comes to the other, in order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import tether
from tests.properties import searching
from tests.stream.stream_sides import Side, sides
from tests.watch import open_descriptors
from tether.engine.lifecycle import CLOSED
from tether.engine.pollers import POLLERS

PATIENCE = 5.0
WAYS = ["127.0.0.1:0", "unix", "pair"]
SIDE = st.integers(0, 1)
SIZE = st.sampled_from([0, 1, 100, 16384, 65535, 65536, 200_000])


class StreamMachine(RuleBasedStateMachine):
    """Both ends of a connection are ours, and used at once."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors = open_descriptors()
        self.faults: list[str] = []

    @initialize(poller=st.sampled_from(sorted(POLLERS)), way=st.sampled_from(WAYS))
    def connect(self, poller: str, way: str) -> None:
        self.loop = tether.Loop(poller=poller)
        with tempfile.TemporaryDirectory() as folder:
            address = f"unix:{Path(folder) / 'socket'}" if way == "unix" else way
            self.sides = self.loop.run_until_complete(sides(self.loop, address, self.faults))

    @rule(side=SIDE, size=SIZE, waits=st.booleans())
    def send(self, side: int, size: int, waits: bool) -> None:
        self.sides[side].send(size, waits)

    @rule(side=SIDE)
    def flood(self, side: int) -> None:
        for _ in range(60):
            self.sides[side].send(65536, False)
            self.run(1)

    @rule(side=SIDE, index=st.integers(0, 3))
    def give_up(self, side: int, index: int) -> None:
        """Who gives up waiting neither sends nor loses anything."""
        tasks = self.sides[side].tasks()
        if tasks:
            tasks[index % len(tasks)].cancel()

    @rule(side=SIDE, limit=SIZE, exactly=st.booleans())
    def read(self, side: int, limit: int, exactly: bool) -> None:
        self.sides[side].read(limit, exactly)

    @rule(side=SIDE)
    def listen(self, side: int) -> None:
        self.sides[side].listen()

    @rule(side=SIDE, resumes=st.booleans())
    def pause(self, side: int, resumes: bool) -> None:
        self.sides[side].pause(resumes)

    @rule(side=SIDE, after=SIZE, aborts=st.booleans())
    def end_while_reading(self, side: int, after: int, aborts: bool) -> None:
        one = self.sides[side]
        one.ends_at, one.end_aborts = len(one.received) + after, aborts

    @rule(side=SIDE, aborts=st.booleans(), fails=st.booleans(), often=st.integers(0, 3))
    def end(self, side: int, aborts: bool, fails: bool, often: int) -> None:
        if often == 0:  # seldom: there is little to do afterwards
            self.sides[side].end(aborts, ValueError("a cause") if fails else None)

    @rule(passes=st.integers(1, 4))
    def run(self, passes: int) -> None:
        for _ in range(passes):
            self.loop.stop()
            self.loop.run_forever()

    @rule()
    def settle(self) -> None:
        """Whoever listens gets everything."""
        end = self.loop.time() + PATIENCE
        while any(side.is_expecting() for side in self.sides) and self.loop.time() < end:
            self.run(1)
        for side in self.sides:
            side.expect(not side.is_expecting(), "bytes are missing")
        self.run(2)
        for side in self.sides:
            if side.other.has_callback and not side.other.is_paused and side.has_peer():
                blocked = side.was_refused and side.is_open()
                side.expect(not blocked, "all was sent, and nobody said so")

    @invariant()
    def the_promises_hold(self) -> None:
        for side in getattr(self, "sides", ()):
            side.check()
        assert self.faults == [], self.faults

    def teardown(self) -> None:
        if not hasattr(self, "sides"):
            return
        try:
            if not self.faults:
                self.finish()
        finally:
            self.loop.scope.abort()
            self.run(3)
            for side in self.sides:
                for task in side.tasks():
                    task.cancel()
            self.run(3)
            self.loop.close()
        assert self.faults == [], self.faults
        assert open_descriptors() == self.descriptors

    def finish(self) -> None:
        """One side closes, the other reads to the end; then nobody waits any more."""
        first, second = self.sides
        for side in self.sides:
            side.ends_at = -1
            side.pause(True)
        self.run(1)
        first.end(False, None)
        end = self.loop.time() + PATIENCE
        while self.is_left(second) and self.loop.time() < end:
            if second.reader is None and not second.has_callback:
                second.read(50_000, False)
            self.run(1)
        second.expect(not self.is_left(second), "it never came to an end")
        second.end(False, None)
        self.run(8)
        for side in self.sides:
            if side.stream.buffered:  # both wait for the other to take what is left: until `linger`
                side.stream.abort()
        self.run(3)
        for side in self.sides:
            side.expect(side.stream.state == CLOSED, "it is not closed in the end")
            side.expect(side.tasks() == [], f"{len(side.tasks())} still wait")
            side.expect(not side.stream.send(b"late"), "a closed stream took a message")

    def is_left(self, side: Side) -> bool:
        return side.is_open() and not side.at_eof


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_streams_keep_their_promises() -> None:
    run_state_machine_as_test(StreamMachine, settings=searching(60, 40))
