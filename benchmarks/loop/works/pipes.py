"""What lives here: libevent's own benchmark: many pipes, of which a few are active.

A byte goes into each active pipe; whoever reads it writes one into the next pipe, until so many
were written. What counts is an event: the loop's part of it, one `read` and one `write`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from benchmarks.loop.stopwatch import Stopwatch


async def readers(stopwatch: Stopwatch, pipes: int, active: int, writes: int) -> None:
    """By `add_reader`."""
    loop = asyncio.get_running_loop()

    def add(descriptor: int, callback: Callable[..., None]) -> Callable[[], object]:
        loop.add_reader(descriptor, callback)
        return lambda: loop.remove_reader(descriptor)

    await _walk(stopwatch, pipes, active, writes, add)


async def watches(stopwatch: Stopwatch, pipes: int, active: int, writes: int) -> None:
    """By tether's own `watch`."""
    import tether

    scope = tether.Scope()

    def add(descriptor: int, callback: Callable[..., None]) -> Callable[[], object]:
        return scope.watch(descriptor, tether.READ, callback).cancel

    await _walk(stopwatch, pipes, active, writes, add)
    scope.close()


async def _walk(
    stopwatch: Stopwatch,
    pipes: int,
    active: int,
    writes: int,
    add: Callable[[int, Callable[..., None]], Callable[[], object]],
) -> None:
    loop = asyncio.get_running_loop()
    ends = [os.pipe() for _ in range(pipes)]
    done = loop.create_future()
    left = writes - active
    reading = writes

    def reader(own: int, following: int) -> Callable[..., None]:
        def on_readable(what: int = 0) -> None:
            nonlocal left, reading
            os.read(own, 1)
            reading -= 1
            if left:
                left -= 1
                os.write(following, b"e")
            elif not reading:
                done.set_result(None)

        return on_readable

    removals = [
        add(own, reader(own, ends[(index + 1) % pipes][1])) for index, (own, _) in enumerate(ends)
    ]
    await asyncio.sleep(0)
    with stopwatch.counting(writes):
        for index in range(active):
            os.write(ends[index * (pipes // active)][1], b"e")
        await done
    for remove in removals:
        remove()
    for own, other in ends:
        os.close(own)
        os.close(other)
