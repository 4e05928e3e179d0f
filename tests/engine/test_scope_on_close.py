"""`on_close`: once, last, with the cause; and failures on the way there stop nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import tether
from tests.engine.members import Thing, until_cancelled
from tests.watch import Reports


def test_on_close_runs_once_last_in_order_and_is_told_the_cause() -> None:
    async def main() -> None:
        scope = tether.Scope()
        order: list[Any] = []
        cause = ValueError("why")
        scope.on_close(lambda error: order.append(("one", error)))
        scope.on_close(lambda error: order.append(("two", error)))
        tether.Scope(scope).on_close(lambda error: order.append("child"))
        scope.own(Thing("thing", order))
        scope.spawn(until_cancelled("task", order))
        await asyncio.sleep(0)
        scope.close(cause)
        await scope.wait_closed()
        order.append("woken")
        assert sorted(order[:3]) == ["child", "task", "thing"]
        assert order[3:] == [("one", cause), ("two", cause), "woken"]
        assert scope.state == "closed"

    tether.run(main())


def test_an_exception_in_on_close_is_logged_and_the_rest_goes_on(reports: Reports) -> None:
    async def main() -> None:
        scope = tether.Scope(name="board")
        order: list[str] = []

        def fail(_: BaseException | None) -> None:
            raise ValueError("planned")

        scope.on_close(lambda cause: order.append("before"))
        scope.on_close(fail)
        scope.on_close(lambda cause: order.append("after"))
        scope.close()
        await scope.wait_closed()
        assert order == ["before", "after"]
        assert scope.error is None

    tether.run(main())
    (error,) = reports.take_errors()
    assert str(error) == "planned"


def test_an_exception_in_the_close_of_a_thing_is_logged_and_the_rest_goes_on(
    reports: Reports,
) -> None:
    async def main() -> None:
        scope = tether.Scope()
        order: list[str] = []

        class Broken:
            def close(self) -> None:
                raise ValueError("planned")

        scope.own(Thing("first", order))
        scope.own(Broken())
        scope.own(Thing("third", order))
        scope.close()
        await scope.wait_closed()
        assert order == ["third", "first"]

    tether.run(main())
    (error,) = reports.take_errors()
    assert str(error) == "planned"
