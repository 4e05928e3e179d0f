"""Callbacks that ask for callbacks without end do not keep anything else from its turn."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

import tether


@pytest.mark.parametrize("poller", ["epoll", "poll", "select"])
def test_descriptors_are_served_while_callbacks_follow_callbacks(poller: str) -> None:
    loop = tether.Loop(poller=poller)
    own, other = os.pipe()
    steps = 0
    received: list[int] = []

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == 20_000:
            os.write(other, b"x")
        loop.call_soon(step)

    def readable() -> None:
        received.append(steps)
        loop.stop()

    try:
        loop.add_reader(own, readable)
        loop.call_soon(step)
        loop.run_forever()  # for ever, if nobody looked at the pipe
        assert received[0] >= 20_000
        loop.remove_reader(own)
    finally:
        loop.close()
        os.close(own)
        os.close(other)


def test_timers_and_threads_are_served_while_callbacks_follow_callbacks() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        is_over = False

        def step() -> None:
            if not is_over:
                loop.call_soon(step)

        step()
        await asyncio.sleep(0.01)
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(told.set,))
        thread.start()
        await told.wait()
        thread.join()
        is_over = True

    tether.run(main())


def test_each_run_looks_for_events_first() -> None:
    # As asyncio does: what is readable before a run begins is served in it, however short it is.
    loop = tether.Loop()
    own, other = os.pipe()
    received: list[bytes] = []

    async def many_passes() -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    async def one_pass() -> None:
        await asyncio.sleep(0)

    try:
        loop.add_reader(own, lambda: received.append(os.read(own, 1)))
        loop.run_until_complete(many_passes())
        os.write(other, b"x")
        loop.run_until_complete(one_pass())
        assert received == [b"x"]
        loop.remove_reader(own)
    finally:
        loop.close()
        os.close(own)
        os.close(other)
