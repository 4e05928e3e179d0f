"""Closing inside every kind of callback, and from then on no callback of the closed runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

import tether
from tests.watch import Reports

Begin = Callable[[tether.Scope, Callable[[], None]], object]


async def as_task(callback: Callable[[], None]) -> None:
    callback()
    await asyncio.Event().wait()


def in_own_close(scope: tether.Scope, callback: Callable[[], None]) -> None:
    class Thing:
        def close(self) -> None:
            callback()

    scope.own(Thing())
    scope.close()


def in_on_close(scope: tether.Scope, callback: Callable[[], None]) -> None:
    scope.on_close(lambda cause: callback())
    scope.close()


def in_done_callback(scope: tether.Scope, callback: Callable[[], None]) -> None:
    scope.spawn(asyncio.sleep(0)).add_done_callback(lambda task: callback())


KINDS: dict[str, Begin] = {
    "after": lambda scope, callback: scope.after(0, callback),
    "every": lambda scope, callback: scope.every(0.001, callback),
    "call_soon": lambda scope, callback: scope.loop.call_soon(callback),
    "task": lambda scope, callback: scope.spawn(as_task(callback)),
    "done callback": in_done_callback,
    "on_close": in_on_close,
    "own": in_own_close,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("whom", ["itself", "a sibling", "its owner", "all"])
def test_close_in_every_kind_of_callback(kind: str, end: str, whom: str) -> None:
    async def main() -> None:
        owner = tether.Scope(name="owner")
        scope, sibling = tether.Scope(owner, name="scope"), tether.Scope(owner, name="sibling")
        targets = {
            "itself": [scope],
            "a sibling": [sibling],
            "its owner": [owner],
            "all": [scope, sibling, owner],
        }[whom]
        order: list[str] = []
        calls: list[str] = []
        for one in (owner, scope, sibling):
            one.on_close(lambda cause, name=one.name: order.append(name))
        done = asyncio.Event()

        def callback() -> None:
            calls.append(scope.state)
            for target in targets:
                getattr(target, end)()
            done.set()

        KINDS[kind](scope, callback)
        await done.wait()
        for target in targets:
            await target.wait_closed()
        for one in targets:
            assert order.count(one.name) == 1
        if "owner" in order:
            assert order[-1] == "owner"
            assert sorted(order) == ["owner", "scope", "sibling"]
        if scope in targets:
            assert len(calls) == 1
        owner.close()
        await owner.wait_closed()
        assert sorted(order) == ["owner", "scope", "sibling"]

    tether.run(main())


def test_a_timer_that_is_already_due_does_not_run_after_the_close() -> None:
    async def main() -> None:
        first, second = tether.Scope(), tether.Scope()
        ran: list[str] = []

        def close_both() -> None:
            ran.append("first")
            first.close()
            second.close()

        # All three are due in the same pass, in this order.
        first.after(0.001, close_both)
        first.after(0.001, ran.append, "same scope")
        second.after(0.001, ran.append, "sibling")
        time.sleep(0.01)  # noqa: ASYNC251 they fall due while the loop is held
        await first.wait_closed()
        await second.wait_closed()
        await asyncio.sleep(0)
        assert ran == ["first"]

    tether.run(main())


def test_the_rest_of_the_batch_is_served() -> None:
    async def main() -> None:
        scopes = [tether.Scope(name=str(number)) for number in range(50)]
        ran: list[int] = []
        for number, scope in enumerate(scopes):
            scope.after(0, ran.append, number)
            if number % 10 == 0:
                scope.after(0, scopes[number].close)
                scope.after(0, ran.append, -1)
        await asyncio.sleep(0.01)
        assert ran == list(range(50))
        for scope in scopes:
            scope.close()

    tether.run(main())


def test_no_callback_of_anything_below_runs_from_closing_on() -> None:
    async def main() -> None:
        owner = tether.Scope(linger=5)
        child = tether.Scope(owner)
        grandchild = tether.Scope(child)
        ran: list[str] = []
        release = asyncio.Event()

        async def hold() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await release.wait()

        owner.spawn(hold())
        await asyncio.sleep(0)
        for scope in (owner, child, grandchild):
            scope.every(0.001, ran.append, scope.name)
        owner.close()
        assert [one.state for one in (owner, child, grandchild)] == ["closing"] * 3
        await asyncio.sleep(0.02)
        release.set()
        await owner.wait_closed()
        assert ran == []

    tether.run(main())


@pytest.mark.parametrize("kind", ["after", "every", "task"])
def test_a_failure_in_a_plain_scope_is_logged_once_and_closes_nobody(
    kind: str, reports: Reports
) -> None:
    async def main() -> None:
        scope = tether.Scope(name="board")
        failed = asyncio.Event()

        def fail() -> None:
            failed.set()
            raise ValueError("planned")

        async def fail_as_task() -> None:
            fail()

        if kind == "task":
            scope.spawn(fail_as_task())
        elif kind == "after":
            scope.after(0, fail)
        else:
            timer = scope.every(0.3, fail)  # long enough for one tick only, on a slow machine too
        await failed.wait()
        await asyncio.sleep(0)
        if kind == "every":
            timer.cancel()
        assert scope.state == "open"
        scope.close()
        await scope.wait_closed()

    tether.run(main())
    (error,) = reports.take_errors()
    assert str(error) == "planned"


def test_a_timer_goes_on_after_its_callback_raised(reports: Reports) -> None:
    async def main() -> None:
        scope = tether.Scope()
        ticks: list[int] = []
        third = asyncio.Event()

        def tick() -> None:
            ticks.append(len(ticks))
            if len(ticks) == 3:
                third.set()
            raise ValueError(f"tick {len(ticks)}")

        timer = scope.every(0.001, tick)
        await third.wait()
        timer.cancel()

    tether.run(main())
    assert [str(error) for error in reports.take_errors()] == ["tick 1", "tick 2", "tick 3"]


def test_a_coroutine_that_a_timer_returns_is_spawned_under_its_scope() -> None:
    async def main() -> None:
        scope = tether.Scope()
        began, ended = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        scope.after(0, work)
        await began.wait()
        scope.close()
        await scope.wait_closed()
        assert ended.is_set()

    tether.run(main())
