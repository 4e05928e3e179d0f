"""A scope's life: open, closing, closed, as the table in lifecycle.py has it, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

import tether
from tether.engine.lifecycle import CLOSED, CLOSING, LIFE_CYCLE, OPEN, STATES


async def in_state(state: str) -> tether.Scope:
    """A scope that is in this state; a task that does not end yet keeps it in closing."""
    scope = tether.Scope(name=state)
    if state == CLOSING:
        scope.spawn(asyncio.Event().wait())
    if state != OPEN:
        scope.close()
    if state == CLOSED:
        await scope.wait_closed()
    assert scope.state == state
    return scope


async def states_after(scope: tether.Scope, step: Callable[[tether.Scope], None]) -> list[str]:
    """The states that the scope goes through from here, `step` included, to its end or rest."""
    seen = [scope.state]
    step(scope)
    for _ in range(5):
        if scope.state != seen[-1]:
            seen.append(scope.state)
        await asyncio.sleep(0)
    return seen


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", [tether.Scope.close, tether.Scope.abort])
def test_every_transition_is_in_the_table(state: str, step: Callable[[tether.Scope], None]) -> None:
    async def main() -> list[str]:
        return await states_after(await in_state(state), step)

    seen = tether.run(main())
    assert seen[0] == state
    assert seen[-1] == CLOSED
    for before, after in itertools.pairwise(seen):
        assert after in LIFE_CYCLE[before]


@pytest.mark.parametrize("state", [OPEN, CLOSED])
def test_without_a_reason_a_state_stays(state: str) -> None:
    async def main() -> list[str]:
        return await states_after(await in_state(state), lambda scope: None)

    assert tether.run(main()) == [state]


def test_the_table_leads_from_open_to_closed_and_never_back() -> None:
    assert {OPEN: {CLOSING}, CLOSING: {CLOSED}, CLOSED: set()} == LIFE_CYCLE
    assert STATES == (OPEN, CLOSING, CLOSED)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_close_passes_through_closing_before_closed(end: str) -> None:
    async def main() -> list[tuple[str, bool, bool]]:
        scope = tether.Scope()
        seen = [(scope.state, scope.closing, scope.closed)]
        getattr(scope, end)()
        seen.append((scope.state, scope.closing, scope.closed))
        await scope.wait_closed()
        seen.append((scope.state, scope.closing, scope.closed))
        return seen

    assert tether.run(main()) == [
        ("open", False, False),
        ("closing", True, False),
        ("closed", False, True),
    ]


@pytest.mark.parametrize("first", ["close", "abort"])
@pytest.mark.parametrize("second", ["close", "abort"])
@pytest.mark.parametrize("late", [False, True])
def test_the_first_cause_wins(first: str, second: str, late: bool) -> None:
    async def main() -> None:
        scope = tether.Scope()
        told: list[BaseException | None] = []
        scope.on_close(told.append)
        cause = ValueError("first")
        getattr(scope, first)(cause)
        if late:
            await scope.wait_closed()
        getattr(scope, second)(ValueError("second"))
        await scope.wait_closed()
        assert scope.error is cause
        assert told == [cause]

    tether.run(main())


def test_an_orderly_close_is_a_cause_too() -> None:
    async def main() -> None:
        scope = tether.Scope()
        told: list[BaseException | None] = []
        scope.on_close(told.append)
        scope.close()
        scope.close(ValueError("late"))
        await scope.wait_closed()
        assert (scope.error, told) == (None, [None])

    tether.run(main())


@pytest.mark.parametrize("times", [1, 2, 50])
def test_close_any_number_of_times_is_one_close(times: int) -> None:
    async def main() -> int:
        scope = tether.Scope()
        count = 0

        def closed(_: BaseException | None) -> None:
            nonlocal count
            count += 1
            scope.close()
            scope.abort()

        scope.on_close(closed)
        for _ in range(times):
            scope.close()
        await scope.wait_closed()
        for _ in range(times):
            scope.close()
            await scope.wait_closed()
        return count

    assert tether.run(main()) == 1


def test_close_returns_at_once_and_runs_nothing_of_the_user() -> None:
    async def main() -> None:
        scope = tether.Scope()
        ran: list[str] = []
        scope.on_close(lambda cause: ran.append("on_close"))
        scope.spawn(asyncio.sleep(0), name="task").add_done_callback(
            lambda task: ran.append("task")
        )
        scope.close()
        assert ran == []
        await scope.wait_closed()
        assert ran == ["task", "on_close"]

    tether.run(main())


@pytest.mark.parametrize("state", [CLOSING, CLOSED])
@pytest.mark.parametrize(
    "use",
    [
        lambda scope: scope.every(1, print),
        lambda scope: scope.after(1, print),
        lambda scope: scope.own(open("/dev/null")),  # noqa: PTH123, SIM115
        lambda scope: tether.Scope(scope),
    ],
    ids=["every", "after", "own", "Scope"],
)
def test_later_use_raises_closed_from_the_cause(
    state: str, use: Callable[[tether.Scope], object]
) -> None:
    async def main() -> None:
        scope = tether.Scope(name="board")
        cause = ValueError("why")
        if state == CLOSING:
            scope.spawn(asyncio.Event().wait())
        scope.close(cause)
        if state == CLOSED:
            await scope.wait_closed()
        with pytest.raises(tether.Closed, match="why") as caught:
            use(scope)
        assert caught.value.__cause__ is cause
        await scope.wait_closed()

    tether.run(main())


def test_on_close_may_still_be_set_while_closing_but_not_after() -> None:
    async def main() -> None:
        scope = await in_state(CLOSING)
        told: list[BaseException | None] = []
        scope.on_close(told.append)
        await scope.wait_closed()
        assert told == [None]
        with pytest.raises(tether.Closed):
            scope.on_close(told.append)

    tether.run(main())


@pytest.mark.parametrize("state", [CLOSING, CLOSED])
def test_spawn_on_a_closed_scope_closes_the_coroutine_without_a_warning(state: str) -> None:
    async def main() -> None:
        scope = await in_state(state)
        coroutine = asyncio.sleep(0)
        with pytest.raises(tether.Closed):
            scope.spawn(coroutine)
        with pytest.raises(RuntimeError, match="cannot reuse"):
            coroutine.send(None)
        await scope.wait_closed()

    tether.run(main())


def test_own_on_a_closed_scope_closes_the_thing() -> None:
    class Thing:
        closed = False

        def close(self) -> None:
            self.closed = True

    async def main() -> None:
        scope, thing = await in_state(CLOSED), Thing()
        with pytest.raises(tether.Closed):
            scope.own(thing)
        assert thing.closed

    tether.run(main())


def test_a_scope_is_its_own_context_manager() -> None:
    async def main() -> None:
        async with tether.Scope(name="one") as scope:
            assert scope.state == "open"
        assert (scope.state, scope.error) == ("closed", None)
        with pytest.raises(ValueError, match="inside"):
            async with tether.Scope(name="two") as scope:
                raise ValueError("inside")
        assert scope.state == "closed"
        assert isinstance(scope.error, ValueError)

    tether.run(main())


def test_a_scope_without_a_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        tether.Scope()
