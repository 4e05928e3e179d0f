"""What lives here: the ready queue: callbacks one after another, and many at once."""

from __future__ import annotations

import asyncio

from benchmarks.loop.stopwatch import Stopwatch


async def chain(stopwatch: Stopwatch, count: int) -> None:
    """Each callback asks for the next: one in each pass of the loop."""
    loop = asyncio.get_running_loop()
    call_soon = loop.call_soon
    done = loop.create_future()
    left = count

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            call_soon(step)
        else:
            done.set_result(None)

    with stopwatch.counting(count):
        call_soon(step)
        await done


async def batch(stopwatch: Stopwatch, count: int) -> None:
    """All are asked for, then all run in one pass."""
    loop = asyncio.get_running_loop()
    call_soon = loop.call_soon
    done = loop.create_future()

    def step() -> None:
        pass

    with stopwatch.counting(count):
        for _ in range(count - 1):
            call_soon(step)
        call_soon(done.set_result, None)
        await done
