"""What lives here: many timers at once: setting them, taking them back, and their firing."""

from __future__ import annotations

import asyncio
import random
import time

from benchmarks.loop.stopwatch import Stopwatch


def _nothing() -> None:
    pass


def _delays(count: int, low: float, high: float) -> list[float]:
    """The same numbers in every run, in no order."""
    source = random.Random(count)
    return [source.uniform(low, high) for _ in range(count)]


async def add(stopwatch: Stopwatch, count: int) -> None:
    """Set timers that are far away, in no order."""
    loop = asyncio.get_running_loop()
    delays = _delays(count, 10, 100)
    with stopwatch.counting(count):
        handles = [loop.call_later(delay, _nothing) for delay in delays]
    for handle in handles:
        handle.cancel()
    await asyncio.sleep(0)


async def cancel(stopwatch: Stopwatch, count: int) -> None:
    """Take them all back, in the order in which they were set."""
    loop = asyncio.get_running_loop()
    handles = [loop.call_later(delay, _nothing) for delay in _delays(count, 10, 100)]
    with stopwatch.counting(count):
        for handle in handles:
            handle.cancel()
    await asyncio.sleep(0)


async def fire(stopwatch: Stopwatch, count: int) -> None:
    """All have fallen due, at different times, and fire."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = count

    def fired() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    for delay in _delays(count, 0.001, 0.1):
        loop.call_later(delay, fired)
    time.sleep(0.11)  # noqa: ASYNC251 not one may have fired before all are due
    with stopwatch.counting(count):
        await done


async def idle(stopwatch: Stopwatch, count: int) -> None:
    """Idle timeouts of one length: each is taken back and set again, as traffic does."""
    loop = asyncio.get_running_loop()
    handles = [loop.call_later(60, _nothing) for _ in range(count)]
    await asyncio.sleep(0)
    with stopwatch.counting(count):
        for index in range(count):
            handles[index].cancel()
            handles[index] = loop.call_later(60, _nothing)
    for handle in handles:
        handle.cancel()
    await asyncio.sleep(0)
