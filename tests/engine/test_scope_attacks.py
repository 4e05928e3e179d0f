"""What hostile or clumsy programs do to scopes is refused, or contained, and leaves no trace."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
import signal
from typing import Any

import pytest

import tether
from tests.plain_sockets import open_socket
from tests.watch import Reports


def cancelled() -> None:
    """As `future.result` of a future that was cancelled."""
    raise asyncio.CancelledError


def test_a_cancellation_that_a_callback_raises_is_a_failure_and_no_exit(reports: Reports) -> None:
    async def main() -> None:
        scope = tether.Scope()
        ran = asyncio.Event()
        scope.after(0, cancelled)
        scope.after(0, ran.set)
        await ran.wait()
        assert scope.state == "open"  # no session is above it

    tether.run(main())
    assert [type(error) for error in reports.take_errors()] == [asyncio.CancelledError]


def test_a_cancellation_in_a_callback_closes_its_session_only(reports: Reports) -> None:
    async def main() -> BaseException | None:
        ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def on_stream(stream: tether.Stream) -> None:
            stream.on_close(ended.set_result)
            stream.after(0, cancelled)

        async with tether.listen("127.0.0.1:0", on_stream) as listener:
            with open_socket(listener.address):
                cause = await ended
                assert listener.state == "open"
        return cause

    assert isinstance(tether.run(main()), asyncio.CancelledError)
    assert len(reports.take()) == 1


class Odd(BaseException):
    """Neither an exit nor an ordinary failure."""


def test_an_odd_failure_of_a_task_is_logged(reports: Reports) -> None:
    async def fail() -> None:
        raise Odd

    async def main() -> None:
        scope = tether.Scope()
        task = scope.spawn(fail())
        await asyncio.wait([task])

    tether.run(main())
    assert [type(error) for error in reports.take_errors()] == [Odd]


@pytest.mark.parametrize("cause", [SystemExit(3), asyncio.CancelledError()])
def test_an_exit_as_a_cause_is_told_and_not_raised_again(cause: BaseException) -> None:
    async def main() -> None:
        accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
        async with tether.listen("127.0.0.1:0", accepted.set_result) as listener:
            with open_socket(listener.address):
                stream = await accepted
                reading = asyncio.ensure_future(stream.read())
                await asyncio.sleep(0)
                stream.close(cause)
                with pytest.raises(tether.Closed) as told:
                    await reading
                assert told.value.__cause__ is cause

    tether.run(main())


def test_a_scope_is_set_up_once() -> None:
    async def main() -> None:
        scope, other = tether.Scope(), tether.Scope()
        with pytest.raises(RuntimeError, match="once"):
            scope.__init__(other)  # type: ignore[misc]
        other.close()
        await other.wait_closed()
        assert scope.state == "open"

    tether.run(main())


@pytest.mark.parametrize("duplicate", [copy.copy, pickle.dumps])
def test_what_has_one_owner_cannot_be_copied(duplicate: Any) -> None:
    async def main() -> None:
        scope = tether.Scope()
        for thing in (scope, scope.every(10, print), scope.wait_closed()):
            with pytest.raises(TypeError):
                duplicate(thing)

    tether.run(main())


@pytest.mark.parametrize("cause", ["text", 1000, ValueError])
@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_is_no_exception_is_no_cause(end: str, cause: Any) -> None:
    async def main() -> None:
        scope = tether.Scope()
        with pytest.raises(TypeError, match="cause"):
            getattr(scope, end)(cause)
        assert scope.state == "open"

    tether.run(main())


@pytest.mark.parametrize("linger", ["long", -1, math.nan])
def test_a_linger_that_is_none_leaves_no_scope_behind(linger: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        before = loop.tree().count("\n")
        with pytest.raises((TypeError, ValueError)):
            tether.Scope(linger=linger)
        assert loop.tree().count("\n") == before

    tether.run(main())


@pytest.mark.parametrize("seconds", [5e-324, 1e-300, 1e-12])
def test_a_period_too_short_to_count_in_ticks_on(seconds: float) -> None:
    async def main() -> None:
        scope = tether.Scope()
        ticks: asyncio.Queue[None] = asyncio.Queue()
        scope.every(seconds, ticks.put_nowait, None)
        for _ in range(5):
            await asyncio.wait_for(ticks.get(), 5)

    tether.run(main())


def test_a_task_whose_first_step_closes_its_scope_is_cancelled() -> None:
    async def main() -> None:
        scope = tether.Scope(linger=None)
        loop = asyncio.get_running_loop()

        def eager(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
            scope.close()  # as an eager task does that closes its own scope
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(eager)
        task = scope.spawn(asyncio.Event().wait())
        loop.set_task_factory(None)
        ended_before: list[bool] = []
        scope.on_close(lambda cause: ended_before.append(task.cancelled()))
        await asyncio.wait_for(scope.wait_closed(), 5)
        assert ended_before == [True]

    tether.run(main())


def test_what_a_callback_does_when_it_is_dropped_waits_for_the_close() -> None:
    async def main() -> None:
        owner, other = tether.Scope(), tether.Scope()
        child = tether.Scope(owner)
        seen: list[str] = []

        class Callback:
            def __call__(self) -> None:
                """Never: the timer ends before."""

            def __del__(self) -> None:
                seen.append(child.state)
                other.own(child)

        owner.every(10, Callback())
        owner.close()
        await owner.wait_closed()
        assert seen == ["closing"]
        assert child.state == "closed"

    tether.run(main())


def test_an_awaitable_cannot_be_made_from_nothing() -> None:
    async def main() -> None:
        kind = type(tether.Scope().wait_closed())
        with pytest.raises(TypeError):
            _ = kind()

    tether.run(main())


def test_who_watches_a_signal_hears_of_it_although_another_lets_an_exit_out() -> None:
    loop = tether.Loop()
    told: list[str] = []

    def leave() -> None:
        raise SystemExit

    scopes: list[tether.Scope] = []

    async def main() -> None:
        scopes.extend(tether.Scope() for _ in range(2))
        scopes[0].on_signal(signal.SIGUSR1, leave)
        scopes[1].on_signal(signal.SIGUSR1, told.append, "second")

    loop.run_until_complete(main())
    signal.raise_signal(signal.SIGUSR1)
    with pytest.raises(SystemExit):
        loop.run_once(block=False)
    loop.run_once(block=False)
    assert told == ["second"]
    for scope in scopes:
        scope.close()
    loop.run_once(block=False)
    loop.close()
