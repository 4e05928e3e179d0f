"""What tether returns to be awaited may be awaited as anything of asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import tether

WAYS: dict[str, Callable[[Awaitable[Any]], Awaitable[Any]]] = {
    "wait_for": lambda one: asyncio.wait_for(one, 5),
    "gather": lambda one: asyncio.gather(one, asyncio.sleep(0)),
    "shield": lambda one: asyncio.shield(one),
    "ensure_future": lambda one: asyncio.ensure_future(one),
    "create_task": lambda one: asyncio.create_task(one),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", [False, True])
def test_wait_closed(way: str, before: bool) -> None:
    async def main() -> None:
        scope = tether.Scope()
        if before:
            scope.close()
            await scope.wait_closed()
        waiting = asyncio.ensure_future(WAYS[way](scope.wait_closed()))
        await asyncio.sleep(0)
        scope.close()
        await waiting
        assert scope.closed

    tether.run(main())


def test_a_wait_that_times_out_leaves_the_others_waiting() -> None:
    async def main() -> None:
        scope = tether.Scope()
        other = asyncio.ensure_future(scope.wait_closed())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scope.wait_closed(), 0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await scope.wait_closed()
        assert not other.done()
        scope.close()
        await other

    tether.run(main())


def test_two_tasks_may_not_share_one_awaitable() -> None:
    async def main() -> None:
        scope = tether.Scope()
        one = scope.wait_closed()

        async def wait() -> None:
            await one

        first = asyncio.create_task(wait())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await wait()
        scope.close()
        await first

    tether.run(main())


def test_task_groups_and_scopes_fit_together() -> None:
    async def main() -> None:
        scope = tether.Scope()
        order: list[str] = []

        async def work(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                order.append(name)

        async def group() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(work("one"))
                tasks.create_task(work("two"))

        task = scope.spawn(group())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        scope.close()
        await scope.wait_closed()
        assert sorted(order) == ["one", "two"]
        assert task.cancelled()

    tether.run(main())


def test_a_timeout_inside_a_spawned_task_is_its_own() -> None:
    async def main() -> str:
        scope = tether.Scope()

        async def work() -> str:
            try:
                async with asyncio.timeout(0.005):
                    await scope.spawn(asyncio.sleep(60))
            except TimeoutError:
                return "timed out"
            return "never"

        result = await scope.spawn(work())
        assert scope.state == "open"
        return result

    assert tether.run(main()) == "timed out"
