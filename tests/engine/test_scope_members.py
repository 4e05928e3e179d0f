"""What a scope owns ends with it: tasks, things, other scopes, newest first, each once."""

from __future__ import annotations

import asyncio
import time

import pytest

import tether
from tests.engine.members import Thing, until_cancelled
from tests.watch import Reports


def test_members_end_newest_first() -> None:
    async def main() -> None:
        scope = tether.Scope()
        order: list[str] = []
        for number in range(3):
            scope.own(Thing(f"thing {number}", order))
        scope.close()
        assert order == ["thing 2", "thing 1", "thing 0"]

    tether.run(main())


def test_tasks_are_cancelled_newest_first() -> None:
    async def main() -> None:
        scope = tether.Scope()
        order: list[str] = []
        for number in range(4):
            scope.spawn(until_cancelled(str(number), order))
        await asyncio.sleep(0)
        scope.close()
        await scope.wait_closed()
        assert order == ["3", "2", "1", "0"]

    tether.run(main())


def test_scopes_below_close_newest_first_and_their_owner_last() -> None:
    async def main() -> None:
        owner = tether.Scope(name="owner")
        order: list[str] = []
        names = ["first", "second", "third"]
        for scope in [owner, *(tether.Scope(owner, name=name) for name in names)]:
            scope.on_close(lambda cause, name=scope.name: order.append(name))
        owner.close()
        await owner.wait_closed()
        assert order == ["third", "second", "first", "owner"]

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_task_gets_exactly_one_cancel(end: str, depth: int) -> None:
    async def main() -> tuple[int, int]:
        scope = owner = tether.Scope()
        for _ in range(depth):
            scope = tether.Scope(scope)
        cancels = 0
        ended = asyncio.Event()

        async def work() -> int:
            nonlocal cancels
            task = asyncio.current_task()
            assert task is not None
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancels += 1
            try:
                await asyncio.sleep(0.01)  # a second cancel would arrive here
            except asyncio.CancelledError:
                cancels += 1
            ended.set()
            return task.cancelling()

        task = scope.spawn(work())
        await asyncio.sleep(0)
        getattr(owner, end)()
        owner.close()
        scope.close()
        await ended.wait()
        await owner.wait_closed()
        return cancels, await task

    assert tether.run(main()) == (1, 1)


def test_finally_may_await_and_the_scope_waits_for_it() -> None:
    async def main() -> None:
        scope = tether.Scope()
        order: list[str] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.02)
                order.append("finally")

        scope.spawn(work())
        scope.on_close(lambda cause: order.append("on_close"))
        await asyncio.sleep(0)
        scope.close()
        await scope.wait_closed()
        assert order == ["finally", "on_close"]

    tether.run(main())


def test_a_task_may_swallow_the_cancel() -> None:
    async def main() -> str:
        scope = tether.Scope()

        async def work() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "ended by itself"
            return "never"

        task = scope.spawn(work())
        await asyncio.sleep(0)
        scope.close()
        await scope.wait_closed()
        return task.result()

    assert tether.run(main()) == "ended by itself"


def test_a_task_that_closes_its_own_scope_is_cancelled_once_and_ends() -> None:
    async def main() -> None:
        scope = tether.Scope()

        async def work() -> None:
            scope.close()
            await asyncio.sleep(60)

        task = scope.spawn(work())
        await scope.wait_closed()
        assert task.cancelled()

    tether.run(main())


async def stubborn(end: asyncio.Event) -> None:
    # Goes on after the one cancel that its scope gives it.
    try:
        await end.wait()
    except asyncio.CancelledError:
        await end.wait()


@pytest.mark.parametrize("linger", [0.05, 0.2])
def test_after_linger_late_tasks_are_named_and_abandoned(linger: float, reports: Reports) -> None:
    async def main() -> None:
        scope = tether.Scope(name="board", linger=linger)
        end = asyncio.Event()
        tasks = [scope.spawn(stubborn(end), name=name) for name in ("alpha", "beta")]
        await asyncio.sleep(0)
        began = time.monotonic()
        scope.close()
        await scope.wait_closed()
        assert linger <= time.monotonic() - began < linger + 1
        assert scope.state == "closed"
        assert not any(task.done() for task in tasks)
        end.set()
        await asyncio.gather(*tasks)

    tether.run(main())
    (message,) = reports.take()
    assert "board" in message
    assert "alpha" in message
    assert "beta" in message


def test_without_linger_late_tasks_are_abandoned_at_once(reports: Reports) -> None:
    async def main() -> None:
        scope = tether.Scope(name="board", linger=0)
        end = asyncio.Event()
        task = scope.spawn(stubborn(end), name="alpha")
        await asyncio.sleep(0)
        scope.close()
        async with asyncio.timeout(1):
            await scope.wait_closed()
        assert not task.done()
        end.set()
        await task

    tether.run(main())
    assert len(reports.take()) == 1


def test_abort_does_not_wait_for_tasks() -> None:
    async def main() -> None:
        scope = tether.Scope(name="board")
        end = asyncio.Event()
        task = scope.spawn(stubborn(end))
        await asyncio.sleep(0)
        scope.abort(ValueError("now"))
        await scope.wait_closed()
        assert not task.done()
        assert isinstance(scope.error, ValueError)
        end.set()
        await task

    tether.run(main())


def test_abort_cuts_a_close_short() -> None:
    async def main() -> None:
        scope = tether.Scope(name="board")
        child = tether.Scope(scope)
        end = asyncio.Event()
        task = child.spawn(stubborn(end))
        await asyncio.sleep(0)
        scope.close()
        await asyncio.sleep(0)
        assert scope.state == "closing"
        scope.abort()
        await scope.wait_closed()
        assert child.state == "closed"
        end.set()
        await task

    tether.run(main())


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_wait_closed_in_a_task_that_the_scope_owns_raises(depth: int) -> None:
    async def main() -> str:
        scope = inner = tether.Scope()
        for _ in range(depth):
            inner = tether.Scope(inner)

        async def work() -> str:
            with pytest.raises(RuntimeError, match="wait for the close"):
                await scope.wait_closed()
            return "raised"

        return await inner.spawn(work())

    assert tether.run(main()) == "raised"


def test_many_may_wait_for_one_close() -> None:
    async def main() -> None:
        scope = tether.Scope()
        tasks = [asyncio.ensure_future(scope.wait_closed()) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.sleep(0)
        assert not any(task.done() for task in tasks if task is not tasks[3])
        scope.close()
        await asyncio.gather(*(task for task in tasks if task is not tasks[3]))
        await scope.wait_closed()

    tether.run(main())


def test_own_returns_the_thing_and_closes_it_once() -> None:
    async def main() -> None:
        scope = tether.Scope()
        order: list[str] = []
        thing = Thing("thing", order)
        assert scope.own(thing) is thing
        scope.close()
        scope.abort()
        await scope.wait_closed()
        assert order == ["thing"]

    tether.run(main())


def test_own_of_a_scope_changes_its_owner() -> None:
    async def main() -> None:
        old, new = tether.Scope(name="old"), tether.Scope(name="new")
        child = tether.Scope(old, name="child")
        assert new.own(child) is child
        old.close()
        await old.wait_closed()
        assert child.state == "open"
        new.close()
        assert child.state == "closing"
        await new.wait_closed()

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_deep_chain_of_scopes_ends_together(end: str) -> None:
    async def main() -> None:
        chain = [tether.Scope()]
        for _ in range(50):
            chain.append(tether.Scope(chain[-1]))
        told: list[BaseException | None] = []
        for scope in chain:
            scope.on_close(told.append)
        cause = ValueError("why")
        getattr(chain[0], end)(cause)
        assert {scope.state for scope in chain} == {"closing"}
        await chain[0].wait_closed()
        assert {scope.state for scope in chain} == {"closed"}
        assert told == [cause] * len(chain)

    tether.run(main())


def test_what_ended_by_itself_leaves_its_scope() -> None:
    async def main() -> None:
        scope = tether.Scope(name="board")
        child = tether.Scope(scope, name="child")
        await scope.spawn(asyncio.sleep(0), name="quick")
        fired = asyncio.Event()
        scope.after(0, fired.set)
        await fired.wait()
        child.close()
        await child.wait_closed()
        assert len(scope.tree().splitlines()) == 1

    tether.run(main())


def test_the_result_of_a_spawned_task_is_its_own() -> None:
    async def main() -> str:
        scope = tether.Scope()

        async def work() -> str:
            return "result"

        task = scope.spawn(work(), name="named")
        assert task.get_name() == "named"
        return await task

    assert tether.run(main()) == "result"


def test_owning_makes_no_tower_that_is_too_deep() -> None:
    async def main() -> None:
        top = bottom = tether.Scope(name="bottom")
        height = 1
        with pytest.raises(RecursionError, match="nested"):
            while height < 100_000:
                above = tether.Scope()
                above.own(top)
                top = above
                height += 1
        assert 100 < height < 100_000
        above.own(tether.Scope(name="another"))  # who was refused is as it was
        for scope in (top, above):
            scope.close()
            await scope.wait_closed()
        assert bottom.state == "closed"

    tether.run(main())
