"""Random trees of scopes do what scope_model.py promises, whoever ends whom, and where."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.engine.scope_ending import LINGERS, Ending
from tests.engine.scope_world import EXITS, Script
from tests.properties import searching
from tests.watch import Reports, open_descriptors
from tether.engine.pollers import POLLERS

INDEX = st.integers(0, 12)
LINGER = st.sampled_from(LINGERS)

# What ends something, or looks at it: allowed in the callback of anything.
ENDING = st.deferred(
    lambda: st.one_of(
        st.tuples(st.just("close"), INDEX, st.booleans(), st.booleans()),
        st.tuples(st.just("cancel_timer"), INDEX),
        st.tuples(st.just("cancel_task"), INDEX),
        st.tuples(st.just("cancel_watch"), INDEX),
        st.tuples(st.just("own_scope"), INDEX, INDEX),
        st.tuples(st.just("pause"), INDEX, st.booleans()),
        st.tuples(st.just("look")),
    )
)
RAISING = st.deferred(
    lambda: st.one_of(
        st.tuples(st.just("fail"), st.lists(ENDING, max_size=1)),
        st.tuples(st.just("fail_again"), INDEX),
        st.tuples(st.just("exit"), st.integers(0, 1)),
    )
)
SIMPLE = st.deferred(lambda: st.lists(ENDING | RAISING, max_size=2))
WAITS = st.sampled_from(["nothing", "sleep", "gate", "closed", "read"])


def programs(scripts: st.SearchStrategy[Script]) -> st.SearchStrategy[tuple[object, ...]]:
    """What a task does: its steps, its farewell, and how it takes its cancellation."""
    steps = st.lists(st.tuples(WAITS, st.integers(0, 3), scripts), max_size=3)
    return st.tuples(steps, scripts, st.sampled_from(["ends", "swallows", "stays"]))


def beginnings(scripts: st.SearchStrategy[Script]) -> st.SearchStrategy[tuple[object, ...]]:
    """What begins something whose callbacks follow `scripts`."""
    seconds = st.sampled_from([0, 0, 0.002])
    several = st.lists(scripts, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("new_scope"), INDEX, LINGER),
        st.tuples(st.just("timer"), INDEX, seconds, st.just(False), scripts),
        st.tuples(st.just("timer"), INDEX, st.just(0.002), st.just(True), scripts),
        st.tuples(st.just("async_timer"), INDEX, programs(scripts)),
        st.tuples(st.just("spawn"), INDEX, programs(scripts)),
        st.tuples(st.just("stay"), INDEX, LINGER, scripts),
        st.tuples(st.just("own_things"), INDEX, several),
        st.tuples(st.just("add_closers"), INDEX, several),
        st.tuples(st.just("send"), INDEX, st.sampled_from([1, 5000, 100_000])),
        st.tuples(st.just("flood"), INDEX),
        st.tuples(st.just("watch_pair"), INDEX, st.integers(0, 1), scripts),
        st.tuples(st.just("watch_signal"), INDEX, scripts),
        st.tuples(st.just("watch_passes"), INDEX, st.booleans(), scripts),
        st.tuples(st.just("connect"), INDEX),
    )


BEGINNING = st.deferred(lambda: beginnings(SCRIPTS))
SCRIPTS: st.SearchStrategy[Script] = st.deferred(
    lambda: st.lists(st.one_of(ENDING, ENDING, RAISING, beginnings(SIMPLE)), max_size=3)
)
MANNERS = st.deferred(
    lambda: st.tuples(
        SIMPLE, SCRIPTS, st.none() | SCRIPTS, SCRIPTS, st.none() | st.none() | programs(SCRIPTS)
    )
)
CLIENTS = st.sampled_from(["send", "send", "send", "read", "read", "half", "close", "reset"])


class ScopeMachine(RuleBasedStateMachine):
    """Whatever happens to a tree of scopes, from outside and from within its callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors = open_descriptors()

    @initialize(
        poller=st.sampled_from(sorted(POLLERS)),
        ending=st.sampled_from(["close", "abort", "shut"]),
        manner=MANNERS,
        clients=st.integers(0, 2),
    )
    def begin(self, poller: str, ending: str, manner: tuple[object, ...], clients: int) -> None:
        self.acts = Ending(poller)
        self.root = self.acts.model.root
        self.ending = ending
        self.acts.listen(self.root, 0, manner)
        for _ in range(clients):
            self.a_client_comes(0, 1000)

    def do(self, *act: object) -> None:
        """From outside of the loop."""
        try:
            self.acts.follow([act], self.root)
        except EXITS as error:
            assert error in self.acts.exits
        self.acts.exits.clear()

    @rule(act=BEGINNING)
    def something_begins(self, act: tuple[object, ...]) -> None:
        self.do(*act)

    @rule(act=ENDING)
    def something_ends(self, act: tuple[object, ...]) -> None:
        self.do(*act)

    @rule(index=INDEX, manner=MANNERS)
    def somebody_listens(self, index: int, manner: tuple[object, ...]) -> None:
        self.do("listen", index, manner)

    @rule(index=INDEX, what=CLIENTS, size=st.sampled_from([1, 1000, 70_000]))
    def a_client_acts(self, index: int, what: str, size: int) -> None:
        self.do("client", index, what, size)

    @rule(index=INDEX, size=st.sampled_from([0, 1, 1000]))
    def a_client_comes(self, index: int, size: int) -> None:
        """Its stream is there two passes later, and what it sent."""
        self.do("connect", index)
        self.do("client", -1, "send", size)
        self.the_loop_runs(2)

    @rule(index=INDEX)
    def somebody_waits(self, index: int) -> None:
        """A task of the root that waits for the end of another scope."""
        self.do("spawn", 0, ([("closed", index, [])], [], "ends"))

    @rule(number=st.integers(0, 1))
    def a_descriptor_is_ready(self, number: int) -> None:
        self.do("poke", number)

    @rule()
    def a_signal_comes(self) -> None:
        self.do("raise_signal")

    @rule(turns=st.integers(1, 3))
    def the_loop_runs(self, turns: int) -> None:
        for _ in range(turns):
            self.acts.turn_once()

    @rule()
    def time_passes(self) -> None:
        end = self.acts.loop.time() + 0.004
        while self.acts.loop.time() < end:
            self.acts.turn_once()

    @rule()
    def gates_open(self) -> None:
        self.acts.open_gates()

    @rule()
    def all_comes_to_rest(self) -> None:
        """What nobody holds up any more is closed, soon."""
        self.acts.settle()

    @invariant()
    def the_promises_hold(self) -> None:
        if not hasattr(self, "acts"):
            return
        self.acts.compare()
        self.acts.compare_trees()
        self.acts.check()

    def teardown(self) -> None:
        if not hasattr(self, "acts"):
            return
        try:
            if self.acts.model.faults == []:
                self.acts.end(self.ending)
                self.acts.check()
                assert self.acts.survivors() == []
                assert open_descriptors() == self.descriptors
        finally:
            self.acts.dispose()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_scopes_keep_their_promises(reports: Reports) -> None:
    run_state_machine_as_test(ScopeMachine, settings=searching(200, 40))
    reports.take()  # each was judged by the model
