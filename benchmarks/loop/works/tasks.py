"""What lives here: tasks: giving way, being made and gathered, and being woken by a future."""

from __future__ import annotations

import asyncio

from benchmarks.loop.stopwatch import Stopwatch

GATHERED = 100


async def sleep_zero(stopwatch: Stopwatch, count: int) -> None:
    """One task gives way again and again."""
    with stopwatch.counting(count):
        for _ in range(count):
            await asyncio.sleep(0)


async def _nothing() -> None:
    pass


async def gather(stopwatch: Stopwatch, count: int) -> None:
    """Tasks are made, a hundred at a time, and gathered."""
    with stopwatch.counting(count):
        for _ in range(count // GATHERED):
            await asyncio.gather(*[_nothing() for _ in range(GATHERED)])


async def wake(stopwatch: Stopwatch, count: int) -> None:
    """A task waits for a future that a callback fulfils."""
    loop = asyncio.get_running_loop()
    with stopwatch.counting(count):
        for _ in range(count):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
