"""Timers: late but never early, none lost, none twice, in order."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

import tether
from tests.watch import KEEPS_FREED_MEMORY, resident


@pytest.mark.usefixtures("poller")
@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.0037, 0.02])
def test_a_timer_never_fires_early(seconds: float) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        scope = tether.Scope()
        fired: asyncio.Queue[float] = asyncio.Queue()
        late: list[float] = []
        for index in range(40):
            set_at = time.monotonic()
            if index % 2:
                scope.after(seconds, lambda: fired.put_nowait(time.monotonic()))
            else:
                loop.call_later(seconds, lambda: fired.put_nowait(time.monotonic()))
            late.append(await fired.get() - set_at - seconds)
        return late

    late = tether.run(main())
    assert min(late) >= 0
    assert sorted(late)[20] < 0.1


def test_call_at_fires_at_its_time_of_the_loops_clock() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert abs(loop.time() - time.monotonic()) < 0.1
        fired = loop.create_future()
        when = loop.time() + 0.01
        loop.call_at(when, lambda: fired.set_result(loop.time()))
        assert await fired >= when

    tether.run(main())


@pytest.mark.usefixtures("poller")
def test_a_repeating_timer_keeps_its_phase_and_merges_missed_ticks() -> None:
    async def main() -> None:
        scope = tether.Scope()
        period = 0.02
        ticks: list[float] = []
        done = asyncio.Event()
        began = time.monotonic()

        def tick() -> None:
            ticks.append(time.monotonic() - began)
            if len(ticks) == 2:
                time.sleep(period * 3.5)  # overruns: three ticks are missed and merge into one
            if len(ticks) == 9:
                done.set()

        scope.every(period, tick)
        await done.wait()
        numbers = [int(at / period) for at in ticks]
        # Never early: every tick comes in a period of its own, and none comes twice.
        assert numbers == sorted(set(numbers))
        # Merged: the ticks that fell into the overrun came as one.
        assert numbers[2] >= numbers[1] + 3
        # In phase: after the overrun they come where they would have come, not `period` later.
        phases = [at % period for at in ticks[3:]]
        assert sorted(phases)[0] < period * 0.75

    tether.run(main())


def test_a_repeating_timer_that_always_overruns_starves_nobody() -> None:
    async def main() -> None:
        scope = tether.Scope()
        ticks = 0

        def tick() -> None:
            nonlocal ticks
            ticks += 1
            time.sleep(0.003)

        scope.every(0.001, tick)
        for _ in range(20):
            await asyncio.sleep(0)
        assert ticks <= 21
        ticks_before = ticks
        done = asyncio.Event()
        scope.after(0.02, done.set)
        await done.wait()
        assert ticks > ticks_before

    tether.run(main())


@pytest.mark.parametrize("period", [0, -1, float("nan")])
def test_a_period_is_above_zero(period: float) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="period"):
            tether.Scope().every(period, print)

    tether.run(main())


@pytest.mark.parametrize("seconds", [-0.001, float("nan")])
def test_a_delay_is_zero_or_more(seconds: float) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="0 seconds or more"):
            tether.Scope().after(seconds, print)

    tether.run(main())


def test_what_is_not_callable_is_refused_at_once() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="callable"):
            tether.Scope().after(0, "print")  # type: ignore[arg-type]

    tether.run(main())


@pytest.mark.parametrize("when", ["before it is due", "when it is due", "inside itself"])
@pytest.mark.parametrize("repeats", [False, True])
def test_cancel(when: str, repeats: bool) -> None:
    async def main() -> None:
        scope = tether.Scope()
        ran: list[str] = []
        done = asyncio.Event()

        def cancel() -> None:
            timer.cancel()
            timer.cancel()

        def tick() -> None:
            ran.append("tick")
            if when == "inside itself":
                cancel()

        if when == "when it is due":
            scope.after(0.002, cancel)  # set first: it runs first of the two that are due
        timer = (scope.every if repeats else scope.after)(0.002, tick)
        assert timer.active
        if when == "before it is due":
            cancel()
        time.sleep(0.01)  # noqa: ASYNC251 all fall due in one pass
        scope.after(0.01, done.set)
        await done.wait()
        assert ran == (["tick"] if when == "inside itself" else [])
        assert not timer.active

    tether.run(main())


def test_a_timer_that_fired_once_is_not_active_any_more() -> None:
    async def main() -> None:
        scope = tether.Scope()
        done = asyncio.Event()
        timer = scope.after(0, done.set)
        await done.wait()
        assert not timer.active
        timer.cancel()

    tether.run(main())


@pytest.mark.usefixtures("poller")
def test_a_timer_set_inside_a_timer_callback_does_not_run_in_the_same_pass() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        scope = tether.Scope()
        order: list[str] = []
        done = asyncio.Event()

        def first() -> None:
            order.append("first")
            scope.after(0, order.append, "set inside, scope")
            loop.call_later(0, order.append, "set inside, asyncio")
            loop.call_at(0, order.append, "set inside, long due")
            scope.after(0, done.set)

        scope.after(0, first)
        scope.after(0, order.append, "same pass")
        loop.call_later(0, order.append, "same pass too")
        await done.wait()
        assert order[:3] == ["first", "same pass", "same pass too"]
        assert order[3] == "set inside, long due"
        assert order[4:] == ["set inside, scope", "set inside, asyncio"]

    tether.run(main())


def test_a_chain_of_timers_of_zero_lets_others_run() -> None:
    async def main() -> None:
        scope = tether.Scope()
        count = 0

        def again() -> None:
            nonlocal count
            count += 1
            scope.after(0, again)

        again()
        for _ in range(50):
            await asyncio.sleep(0)
        assert 0 < count <= 52

    tether.run(main())


def test_equal_deadlines_keep_the_order_in_which_they_were_set() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        when = loop.time() + 0.005
        order: list[int] = []
        for number in range(2000):
            loop.call_at(when, order.append, number)
        done = asyncio.Event()
        loop.call_at(when, done.set)
        await done.wait()
        return order

    assert tether.run(main()) == list(range(2000))


def test_deadlines_come_in_order_whatever_order_they_were_set_in() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        base = loop.time() + 0.001
        order: list[int] = []
        for number in range(5000):
            shuffled = number * 1237 % 5000
            loop.call_at(base + shuffled * 1e-7, order.append, shuffled)
        done = asyncio.Event()
        loop.call_at(base + 0.002, done.set)
        await done.wait()
        return order

    assert tether.run(main()) == list(range(5000))


@pytest.mark.usefixtures("poller")
def test_none_of_100_000_timers_is_lost_or_fires_twice() -> None:
    async def main() -> None:
        scope = tether.Scope()
        count = 100_000
        fired = bytearray(count)

        def fire(number: int) -> None:
            fired[number] += 1

        for number in range(count):
            scope.after((number * 7919 % 1000) * 1e-5, fire, number)
        done = asyncio.Event()
        scope.after(0.02, done.set)
        await done.wait()
        assert fired == b"\x01" * count
        assert len(scope.tree().splitlines()) == 1

    tether.run(main())


@pytest.mark.usefixtures("poller")
def test_of_100_000_timers_only_the_cancelled_stay_silent() -> None:
    async def main() -> None:
        scope = tether.Scope()
        count = 100_000
        fired = bytearray(count)

        def fire(number: int) -> None:
            fired[number] += 1

        timers = [scope.after(0.001 + number * 1e-7, fire, number) for number in range(count)]
        for number, timer in enumerate(timers):
            if number % 3:
                timer.cancel()
        done = asyncio.Event()
        scope.after(0.05, done.set)
        await done.wait()
        assert all(fired[number] == (number % 3 == 0) for number in range(count))

    tether.run(main())


@pytest.mark.skipif(KEEPS_FREED_MEMORY, reason="the address sanitizer does")
@pytest.mark.parametrize("end", ["cancel", "close", "fire"])
def test_memory_follows_what_is_pending_and_not_what_was(end: str) -> None:
    def burst(scope: tether.Scope, seconds: float) -> list[tether.Timer]:
        return [scope.after(seconds, int) for _ in range(100_000)]

    async def one_round() -> None:
        scope = tether.Scope()
        timers = burst(scope, 0 if end == "fire" else 3600)
        if end == "cancel":
            for timer in timers:
                timer.cancel()
        elif end == "fire":
            done = asyncio.Event()
            scope.after(0, done.set)
            await done.wait()
        del timers
        scope.close()
        await scope.wait_closed()

    async def main() -> tuple[int, int]:
        await one_round()
        before = resident()
        for _ in range(4):
            await one_round()
        return before, resident()

    before, after = tether.run(main())
    assert after - before < 4 * 1024 * 1024


def test_a_cancelled_timer_lets_go_of_its_callback() -> None:
    class Payload:
        alive = 0

        def __init__(self) -> None:
            Payload.alive += 1

        def __del__(self) -> None:
            Payload.alive -= 1

        def __call__(self) -> None:
            pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        scope = tether.Scope()
        timers = [scope.after(3600, Payload()), scope.every(3600, Payload())]
        handles = [loop.call_later(3600, Payload()), loop.call_soon(Payload())]
        assert Payload.alive == 4
        for timer in timers:
            timer.cancel()
        for handle in handles:
            handle.cancel()
        assert Payload.alive == 0

    tether.run(main())


@pytest.mark.parametrize("when", [-2.0, -1.0, -1e18, -math.inf, math.nan])
@pytest.mark.parametrize("how", ["call_at", "call_later"])
def test_what_lies_before_the_clock_or_is_no_time_is_due_at_once(how: str, when: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        fired: list[str] = []
        both = asyncio.Event()
        begun = time.monotonic()
        loop.call_later(0.02, both.set)
        loop.call_later(0.01, fired.append, "beside it")
        getattr(loop, how)(when, fired.append, "at once")
        await both.wait()
        assert fired == ["at once", "beside it"]
        assert time.monotonic() - begun < 1.0

    tether.run(main())


def test_a_loop_without_work_sleeps() -> None:
    async def main() -> float:
        tether.Scope().every(3600, print)
        before = time.process_time()
        await asyncio.sleep(0.5)
        return time.process_time() - before

    assert tether.run(main()) < 0.1
