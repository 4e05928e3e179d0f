"""What a loop measures of itself: how late it is, what it did, what it holds."""

from __future__ import annotations

import asyncio
import time

import tether


def test_a_callback_that_holds_the_loop_shows_as_lag(loop: tether.Loop) -> None:
    loop.call_soon(time.sleep, 0.03)
    loop.run_once()
    loop.call_soon(lambda: None)

    async def main() -> None:
        loop.call_soon(time.sleep, 0.03)
        for _ in range(3):
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert loop.lag.max >= 0.03
    assert loop.lag.total >= 0.03
    assert 0 < loop.lag.mean <= loop.lag.max
    assert loop.lag.last <= loop.lag.max


def test_a_timer_that_fires_late_shows_as_lag(loop: tether.Loop) -> None:
    fired: list[float] = []
    due = loop.time() + 0.001
    loop.call_at(due, lambda: fired.append(loop.time()))
    time.sleep(0.02)
    loop.run_once()
    loop.run_once(block=False)
    loop.call_soon(lambda: None)

    async def main() -> None:
        loop.call_at(loop.time() - 0.5, lambda: None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert loop.lag.max >= 0.5


def test_a_loop_that_waits_is_not_late(loop: tether.Loop) -> None:
    loop.run_until_complete(asyncio.sleep(0.1))
    assert loop.lag.max < 0.1


def test_clear_begins_anew(loop: tether.Loop) -> None:
    loop.run_until_complete(asyncio.sleep(0))
    assert loop.lag.samples > 0
    loop.lag.clear()
    assert (loop.lag.last, loop.lag.max, loop.lag.mean, loop.lag.total) == (0, 0, 0, 0)
    assert loop.lag.samples == 0


def test_counts_say_what_was_done(loop: tether.Loop) -> None:
    before = loop.counts
    assert before == (0, 0, 0, 0, 0, 0, 0)
    for _ in range(3):
        loop.call_soon(lambda: None)
    loop.call_later(3600, print)
    timer = loop.scope.after(0, lambda: None)
    assert loop.counts.ready == 3
    assert loop.counts.pending_timers == 2
    loop.run_once(block=False)
    assert loop.counts._replace(pending_timers=1) == (1, 0, 1, 3, 0, 1, 0)
    assert not timer.active


def test_an_idle_loop_counts_nothing(loop: tether.Loop) -> None:
    async def main() -> int:
        before = loop.counts.passes
        await asyncio.sleep(0.3)
        return loop.counts.passes - before

    # One that goes to sleep, and one or two for the timer.
    assert loop.run_until_complete(main()) <= 3


def test_now_stands_still_within_a_pass(loop: tether.Loop) -> None:
    seen: list[float] = []
    exact: list[float] = []

    def look() -> None:
        seen.append(loop.now)
        exact.append(loop.time())
        time.sleep(0.002)

    loop.call_soon(look)
    loop.call_soon(look)
    loop.run_once()
    assert seen[0] == seen[1]
    assert exact[1] - exact[0] >= 0.002
    assert seen[0] <= exact[0]
    # Outside of a run there is no pass: then it is the exact time.
    assert loop.now >= exact[1] + 0.002
