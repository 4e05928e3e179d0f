"""What handles keep alive, and what they do not."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from functools import partial

import pytest

import tether


class Holder:
    """Something that waits, and holds the handle of what it waits for."""

    def __init__(self) -> None:
        self.handle: asyncio.Handle | None = None

    def wake(self) -> None:
        pass


@pytest.mark.parametrize("end", ["runs", "is cancelled"])
@pytest.mark.parametrize("kind", ["call_soon", "call_later"])
def test_a_handle_that_is_over_keeps_nothing_alive(kind: str, end: str) -> None:
    variable: contextvars.ContextVar[Holder] = contextvars.ContextVar("variable")

    def hold(loop: asyncio.AbstractEventLoop) -> weakref.ref[Holder]:
        holder = Holder()
        context = contextvars.copy_context()
        context.run(variable.set, holder)
        if kind == "call_soon":
            holder.handle = loop.call_soon(holder.wake, context=context)
        else:
            holder.handle = loop.call_later(0, holder.wake, context=context)
        if end == "is cancelled":
            holder.handle.cancel()
        return weakref.ref(holder)

    async def main() -> None:
        gone = hold(asyncio.get_running_loop())
        gc.disable()  # without its help
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            assert gone() is None
        finally:
            gc.enable()

    tether.run(main())


def test_what_waits_survives_a_collection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ran: list[int] = []
        done = loop.create_future()
        for number in range(100):
            loop.call_soon([number].append, 0)  # held by its handle alone
            loop.call_soon(partial(ran.append, number))
            loop.call_later(0.001, partial(ran.append, 100 + number))
        loop.call_later(0.002, partial(done.set_result, None))
        gc.collect()
        await done
        assert ran == list(range(200))

    tether.run(main())


def test_a_handle_that_is_used_again_has_nothing_of_the_one_before() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = loop.call_soon(int)
        kept = weakref.ref(first)
        first.cancel()
        del first
        await asyncio.sleep(0)
        assert kept() is None
        second = loop.call_soon(int)
        assert not second.cancelled()
        assert weakref.ref(second)() is second
        timer = loop.call_later(60, int)
        assert not timer.cancelled()
        timer.cancel()

    tether.run(main())
