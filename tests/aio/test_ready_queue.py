"""call_soon and its kin, as asyncio has them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

import tether
from tests.watch import Reports


def test_call_soon_runs_in_order_and_in_the_next_pass() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        order: list[object] = []

        def first() -> None:
            order.append("first")
            loop.call_soon(order.append, "added")

        loop.call_soon(first)
        for number in range(1000):
            loop.call_soon(order.append, number)
        await asyncio.sleep(0)
        assert order == ["first", *range(1000)]
        await asyncio.sleep(0)
        assert order[-1] == "added"

    tether.run(main())


def test_a_cancelled_handle_does_not_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ran: list[str] = []
        handle = loop.call_soon(ran.append, "cancelled")
        later = loop.call_later(0.001, ran.append, "cancelled later")
        loop.call_soon(ran.append, "kept")
        handle.cancel()
        later.cancel()
        assert handle.cancelled()
        assert later.cancelled()
        await asyncio.sleep(0.01)
        assert ran == ["kept"]

    tether.run(main())


def test_handles_answer_to_asyncios_names() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        handle = loop.call_soon(print, context=context)
        assert handle.get_context() is context if hasattr(handle, "get_context") else True
        assert "print" in repr(handle)
        handle.cancel()
        assert "cancelled" in repr(handle)
        when = loop.time() + 3600
        timer = loop.call_at(when, print)
        assert timer.when() == when
        timer.cancel()

    tether.run(main())


def test_call_soon_runs_in_the_given_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        variable.set("current")
        loop.call_soon(lambda: seen.append(variable.get()), context=context)
        loop.call_soon(lambda: seen.append(variable.get()))
        loop.call_later(0, lambda: seen.append(variable.get()), context=context)
        await asyncio.sleep(0.005)
        assert sorted(seen) == ["current", "given", "given"]

    tether.run(main())


def test_an_exception_in_a_callback_is_reported_once_and_the_loop_goes_on(
    reports: Reports,
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        def fail() -> None:
            raise ValueError("planned")

        loop.call_soon(fail)
        reached = loop.create_future()
        loop.call_soon(reached.set_result, None)
        await reached

    tether.run(main())
    (error,) = reports.take_errors()
    assert str(error) == "planned"


def test_an_exception_handler_of_the_user_gets_it() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        told: list[str] = []
        loop.set_exception_handler(lambda loop, context: told.append(str(context["exception"])))

        def fail() -> None:
            raise ValueError("planned")

        loop.call_soon(fail)
        tether.Scope().after(0, fail)
        await asyncio.sleep(0.01)
        return told

    assert tether.run(main()) == ["planned", "planned"]


@pytest.mark.usefixtures("poller")
@pytest.mark.parametrize("debug", [False, True])
def test_call_soon_threadsafe_keeps_the_order_of_each_thread(debug: bool) -> None:
    threads, calls = 8, 125_000  # a million of all

    async def main() -> None:
        loop = asyncio.get_running_loop()
        got: list[list[int]] = [[] for _ in range(threads)]
        ended = asyncio.Event()
        left = threads

        def end() -> None:
            nonlocal left
            left -= 1
            if not left:
                ended.set()

        count = calls // 100 if debug else calls

        def work(number: int) -> None:
            for index in range(count):
                loop.call_soon_threadsafe(got[number].append, index)
            loop.call_soon_threadsafe(end)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        loop.slow_callback_duration = 60  # starting and joining threads holds the loop
        for worker in workers:
            worker.start()
        await ended.wait()
        for worker in workers:
            worker.join()
        assert got == [list(range(count))] * threads

    tether.run(main(), debug=debug)


@pytest.mark.usefixtures("poller")
def test_call_soon_threadsafe_wakes_a_sleeping_loop() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[float] = loop.create_future()

        def work() -> None:
            time.sleep(0.05)  # the loop sleeps by now
            loop.call_soon_threadsafe(woken.set_result, time.monotonic())

        worker = threading.Thread(target=work)
        worker.start()
        set_at = await woken
        late = time.monotonic() - set_at
        worker.join()
        return late

    assert tether.run(main()) < 0.5


@pytest.mark.usefixtures("poller")
def test_every_wake_from_a_thread_is_seen() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ping: asyncio.Event = asyncio.Event()
        asked = threading.Semaphore(0)
        rounds = 2000

        def work() -> None:
            for _ in range(rounds):
                asked.acquire()
                loop.call_soon_threadsafe(ping.set)

        worker = threading.Thread(target=work)
        worker.start()
        for _ in range(rounds):
            asked.release()
            async with asyncio.timeout(10):
                await ping.wait()
            ping.clear()
        worker.join()

    tether.run(main())


def test_after_close_nothing_is_taken_any_more() -> None:
    loop = tether.Loop()
    loop.close()
    loop.close()
    assert loop.is_closed()
    for call in (
        lambda: loop.call_soon(print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.call_later(0, print),
        lambda: loop.call_at(0, print),
        lambda: loop.run_forever(),
        lambda: loop.add_reader(0, print),
    ):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_debug_mode_checks_the_thread_and_the_callback() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            loop.call_soon(main)
        caught: list[BaseException] = []

        def work() -> None:
            try:
                loop.call_soon(print)
            except RuntimeError as error:
                caught.append(error)

        await tether.to_thread(work)
        assert "Non-thread-safe" in str(caught[0])

    tether.run(main(), debug=True)
