"""Many timers of all lengths together: their order, and what wakes the loop."""

from __future__ import annotations

import asyncio
import random
import time

import tether


def test_of_those_that_fall_due_in_one_pass_the_earliest_is_first_however_far_it_was() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        base = loop.time()
        delays = [number * 0.00037 for number in range(500)]  # over ticks, and over their powers
        fired: list[float] = []
        for delay in random.Random(1).sample(delays, len(delays)):
            loop.call_at(base + delay, fired.append, delay)
        done = loop.create_future()
        loop.call_at(base + 0.19, done.set_result, None)
        time.sleep(0.2)  # noqa: ASYNC251 all fall due in one pass
        await done
        return fired

    fired = tether.run(main())
    assert fired == sorted(fired)
    assert len(fired) == 500


def test_a_timer_beyond_all_time_is_never_due() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ran: list[str] = []
        handles = [
            loop.call_later(delay, ran.append, "ran") for delay in (1e9, 1e12, 1e300, float("inf"))
        ]
        done = asyncio.Event()
        loop.call_later(0.01, done.set)
        await done.wait()
        for handle in handles:
            handle.cancel()
        assert ran == []

    tether.run(main())


def test_a_cancelled_timer_does_not_wake_the_loop_more_than_once() -> None:
    # An idle timeout that is set again and again: the loop sleeps until the last of them.
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        fired = asyncio.Event()
        handle = loop.call_later(0.15, fired.set)
        for _ in range(1000):
            handle.cancel()
            handle = loop.call_later(0.15, fired.set)
        before = loop.counts.passes
        await fired.wait()
        return loop.counts.passes - before

    assert tether.run(main()) <= 8
