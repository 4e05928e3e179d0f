"""What ends while other things end: whoever is told meanwhile finds all of it in closing."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

import tether
from tests.engine.members import Thing
from tests.plain_sockets import open_socket
from tests.watch import Reports


class Hostile:
    """A thing whose `close` does something else."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def close(self) -> None:
        self.what()


def test_a_thing_is_closed_when_all_below_has_entered_closing() -> None:
    async def main() -> None:
        owner = tether.Scope()
        older = tether.Scope(owner)
        seen: list[str] = []
        owner.own(Hostile(lambda: seen.append(older.state)))
        owner.close()
        assert seen == ["closing"]

    tether.run(main())


def test_a_thing_that_closes_a_scope_beside_it_does_not_change_the_cause() -> None:
    async def main() -> None:
        owner = tether.Scope()
        older = tether.Scope(owner)
        cause = ValueError("first")
        owner.own(Hostile(lambda: older.close(ValueError("second"))))
        owner.close(cause)
        assert older.error is cause

    tether.run(main())


def test_nothing_escapes_a_close_to_another_owner() -> None:
    async def main() -> None:
        owner, other = tether.Scope(), tether.Scope()
        child = tether.Scope(owner)
        owner.own(Hostile(lambda: other.own(child)))
        owner.close()
        await owner.wait_closed()
        assert (child.state, other.state) == ("closed", "open")

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_things_are_closed_newest_first_over_all_scopes_before_close_returns(end: str) -> None:
    async def main() -> None:
        owner = tether.Scope()
        order: list[str] = []
        owner.own(Thing("first", order))
        tether.Scope(owner).own(Thing("below", order))
        owner.own(Thing("last", order))
        getattr(owner, end)()
        assert order == ["last", "below", "first"]

    tether.run(main())


def test_an_exit_in_the_exception_handler_does_not_save_the_session(reports: Reports) -> None:
    loop = tether.Loop()
    streams: list[tether.Stream] = []

    def fail(stream: tether.Stream) -> None:
        streams.append(stream)
        raise ValueError("in a callback")

    def leave(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with tether.listen("127.0.0.1:0", fail) as listener:
            with open_socket(listener.address) as client:
                loop.set_exception_handler(leave)
                while not streams:
                    await asyncio.sleep(0)
                await streams[0].wait_closed()
                assert client.recv(1) == b""

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    assert streams[0].state != "open"
    loop.run_until_complete(task)
    loop.close()


def test_closing_the_loop_closes_everything_although_an_exit_comes() -> None:
    loop = tether.Loop()
    told: list[str] = []

    def leave() -> None:
        raise SystemExit

    async def main() -> None:
        for name in ("older", "newer"):
            scope = tether.Scope(name=name)
            scope.on_close(lambda cause, name=name: told.append(name))
        loop.scope.own(Hostile(leave))

    loop.run_until_complete(main())
    with warnings.catch_warnings(record=True) as warned, pytest.raises(SystemExit):
        warnings.simplefilter("always")
        loop.close()
    assert [warning.category for warning in warned] == [ResourceWarning]
    assert sorted(told) == ["newer", "older"]
    assert (loop.scope.state, loop.is_closed()) == ("closed", True)


@pytest.mark.parametrize("ended", ["stream", "listener"])
def test_a_handler_does_not_begin_for_a_session_that_has_ended(ended: str) -> None:
    async def main() -> list[str]:
        began: list[str] = []
        accepted: list[tether.Stream] = []

        async def handle() -> None:
            began.append("handler")

        def on_stream(stream: tether.Stream) -> Any:
            accepted.append(stream)
            (stream if ended == "stream" else listener).close()
            return handle()

        listener = tether.listen("127.0.0.1:0", on_stream)
        with open_socket(listener.address) as client:
            while not accepted:
                await asyncio.sleep(0)
            await accepted[0].wait_closed()
            assert client.recv(1) == b""
        listener.close()
        await listener.wait_closed()
        return began

    assert tether.run(main()) == []


def test_a_task_that_failed_is_not_cancelled_by_the_close_it_causes(reports: Reports) -> None:
    async def main() -> int:
        cancels = 0

        class Counting(asyncio.Task[None]):
            def cancel(self, msg: Any | None = None) -> bool:
                nonlocal cancels
                cancels += 1
                return super().cancel(msg)

        def counted(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Counting:
            return Counting(coroutine, loop=loop, **options)

        async def fail() -> None:
            raise ValueError("in a task")

        ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def on_stream(stream: tether.Stream) -> None:
            stream.on_close(ended.set_result)
            asyncio.get_running_loop().set_task_factory(counted)  # type: ignore[arg-type]
            stream.spawn(fail())

        async with tether.listen("127.0.0.1:0", on_stream) as listener:
            with open_socket(listener.address):
                assert isinstance(await ended, ValueError)
        return cancels

    assert tether.run(main()) == 0
    assert len(reports.take()) == 1


def test_what_comes_too_late_is_closed_and_its_failure_is_logged(reports: Reports) -> None:
    async def main() -> None:
        scope = tether.Scope()
        scope.close()

        def fail() -> None:
            raise ValueError("in close")

        with pytest.raises(tether.Closed):
            scope.own(Hostile(fail))

    tether.run(main())
    assert [str(error) for error in reports.take_errors()] == ["in close"]


async def stay(handlers: list[str], leave: asyncio.Event) -> None:
    """A handler that takes its time after its cancellation, and counts how often it comes."""
    while not leave.is_set():
        try:
            await leave.wait()
        except asyncio.CancelledError:
            handlers.append("cancelled")


def test_a_handler_that_outlives_its_listener_leaves_no_timer() -> None:
    async def main() -> None:
        handlers: list[str] = []
        leave = asyncio.Event()

        async def handler(stream: tether.Stream) -> None:
            handlers.append("began")
            await stay(handlers, leave)

        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        listener = tether.listen("127.0.0.1:0", handler)
        with open_socket(listener.address):
            while not handlers:
                await asyncio.sleep(0)
            listener.abort()
            await listener.wait_closed()
        leave.set()
        for _ in range(4):
            await asyncio.sleep(0)
        assert handlers == ["began", "cancelled"]
        assert loop.counts.pending_timers == 0

    tether.run(main())


def test_an_exit_when_a_handler_returns_keeps_no_listener_waiting() -> None:
    """What the stream owns lets an exit out, in the close that the handler's return began."""

    def leave() -> None:
        raise SystemExit

    async def on_stream(stream: tether.Stream) -> None:
        stream.own(Hostile(leave))

    async def listen() -> tether.Listener:
        return tether.listen("127.0.0.1:0", on_stream)

    async def close() -> None:
        listener.close()
        await asyncio.wait_for(listener.wait_closed(), 5)

    with asyncio.Runner(loop_factory=tether.Loop) as runner:
        listener = runner.run(listen())
        with open_socket(listener.address):
            with pytest.raises(SystemExit):
                runner.get_loop().run_forever()
            runner.run(close())
