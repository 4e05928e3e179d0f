"""Running, stopping and closing the loop, as asyncio's Runner expects it."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

import tether
from tests.watch import open_descriptors


def test_the_runner_takes_the_loop() -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=tether.Loop) as runner:
        assert runner.run(main()) is tether.Loop
        assert runner.run(main()) is tether.Loop


def test_run_returns_the_result_or_raises_what_main_raised() -> None:
    async def fail() -> None:
        raise ValueError("planned")

    assert tether.run(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(ValueError, match="planned"):
        tether.run(fail())


def test_run_closes_the_root_scope_gracefully() -> None:
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.005)
                order.append("task ended")

        loop.scope.spawn(work())
        loop.scope.on_close(lambda cause: order.append("root closed"))
        tether.Scope().on_close(lambda cause: order.append("scope closed"))
        await asyncio.sleep(0)

    tether.run(main())
    assert order == ["scope closed", "task ended", "root closed"]


def test_run_closes_the_root_scope_when_main_raises() -> None:
    closed: list[BaseException | None] = []

    async def main() -> None:
        tether.Scope().on_close(closed.append)
        raise ValueError("planned")

    with pytest.raises(ValueError, match="planned"):
        tether.run(main())
    assert closed == [None]


def test_stop_before_run_forever_means_one_pass() -> None:
    loop = tether.Loop()
    try:
        order: list[int] = []

        def again(number: int) -> None:
            order.append(number)
            loop.call_soon(again, number + 1)

        loop.call_soon(again, 0)
        loop.stop()
        loop.run_forever()
        assert order == [0]
        loop.stop()
        loop.run_forever()
        assert order == [0, 1]
    finally:
        loop.close()


def test_stop_inside_a_callback_ends_the_pass_first() -> None:
    loop = tether.Loop()
    try:
        order: list[str] = []
        loop.call_soon(loop.stop)
        loop.call_soon(order.append, "same pass")
        loop.call_soon(lambda: loop.call_soon(order.append, "next pass"))
        loop.run_forever()
        assert order == ["same pass"]
    finally:
        loop.close()


@pytest.mark.parametrize("kind", ["run_forever", "run_until_complete", "_run_once", "another"])
def test_a_nested_run_raises(kind: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError):
            if kind == "run_until_complete":
                coroutine = asyncio.sleep(0)
                try:
                    loop.run_until_complete(coroutine)
                finally:
                    coroutine.close()
            elif kind == "another":
                other = tether.Loop()
                try:
                    other.run_forever()
                finally:
                    other.close()
            else:
                getattr(loop, kind)()
        await asyncio.sleep(0)  # and the outer loop goes on

    tether.run(main())


def test_a_running_loop_cannot_be_closed() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="running"):
            asyncio.get_running_loop().close()

    tether.run(main())


def test_close_with_open_scopes_aborts_them_with_one_resource_warning() -> None:
    closed: list[str] = []

    async def main() -> None:
        scope = tether.Scope(name="left open")
        child = tether.Scope(scope, name="its child")
        scope.on_close(lambda cause: closed.append("scope"))
        child.on_close(lambda cause: closed.append("child"))

    with (
        pytest.warns(ResourceWarning) as caught,
        asyncio.Runner(loop_factory=tether.Loop) as runner,
    ):
        runner.run(main())
    assert len(caught) == 1
    assert "left open" in str(caught[0].message)
    assert "its child" in str(caught[0].message)
    assert closed == ["child", "scope"]


def test_close_with_open_streams_releases_their_descriptors() -> None:
    streams: list[tether.Stream] = []

    async def main() -> None:
        listener = tether.listen("127.0.0.1:0", streams.append)
        streams.append(await tether.connect(listener.address))
        while len(streams) < 2:
            await asyncio.sleep(0)

    with (
        pytest.warns(ResourceWarning) as caught,
        asyncio.Runner(loop_factory=tether.Loop) as runner,
    ):
        runner.run(main())
    assert len(caught) == 1
    assert [stream.fileno() for stream in streams] == [-1, -1]
    assert [stream.state for stream in streams] == ["closed", "closed"]


def test_close_closes_everything_even_where_its_warning_is_an_error() -> None:
    before = open_descriptors()
    streams: list[tether.Stream] = []
    closed: list[BaseException | None] = []

    async def main() -> None:
        listener = tether.listen("127.0.0.1:0", streams.append)
        streams.append(await tether.connect(listener.address))
        while len(streams) < 2:
            await asyncio.sleep(0)
        streams[0].on_close(closed.append)

    loop = tether.Loop()
    loop.run_until_complete(main())
    root = loop.scope
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ResourceWarning, match="open scopes"):
            loop.close()
    assert loop.is_closed()
    assert root.state == "closed"
    assert closed == [None]
    assert [stream.fileno() for stream in streams] == [-1, -1]
    assert open_descriptors().keys() <= before.keys()


def test_close_without_open_scopes_is_silent() -> None:
    async def main() -> None:
        async with tether.Scope() as scope:
            scope.every(3600, print)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with asyncio.Runner(loop_factory=tether.Loop) as runner:
            runner.run(main())
        gc.collect()


def test_a_loop_that_never_ran_closes_silently() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tether.Loop().close()
        gc.collect()


def test_the_loop_uses_one_epoll_descriptor() -> None:
    before = open_descriptors()
    loop = tether.Loop(poller="epoll")
    try:
        opened = [what for number, what in open_descriptors().items() if number not in before]
        assert [what for what in opened if "eventpoll" in what] == ["anon_inode:[eventpoll]"]
        assert len(opened) == 3  # and the pair that threads and signals wake it by
    finally:
        loop.close()
