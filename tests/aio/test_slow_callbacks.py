"""Debug mode names whoever holds the loop for long, in asyncio's log and in asyncio's words."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable

import pytest

import tether
from tests.watch import Reports

SLOW = 0.02


def hold() -> None:
    time.sleep(SLOW)


async def hold_task() -> None:
    time.sleep(SLOW)  # noqa: ASYNC251


def start_call_soon(loop: tether.Loop) -> None:
    loop.call_soon(hold)


def start_call_later(loop: tether.Loop) -> None:
    loop.call_later(0, hold)


def start_task(loop: tether.Loop) -> None:
    loop.create_task(hold_task(), name="the task").add_done_callback(lambda task: None)


def start_timer(loop: tether.Loop) -> None:
    loop.scope.after(0, hold)


def start_signal(loop: tether.Loop) -> None:
    loop.scope.on_signal(signal.SIGUSR1, hold)
    signal.raise_signal(signal.SIGUSR1)


KINDS: dict[str, tuple[Callable[[tether.Loop], None], str]] = {
    "call_soon": (start_call_soon, r"<Handle hold\(\) at .*test_slow_callbacks.py:\d+.*>"),
    "call_later": (start_call_later, r"<TimerHandle .*hold\(\) at .*>"),
    "task": (start_task, r"<Task .*name='the task'.*>"),
    "scope's timer": (start_timer, r"<Timer once hold>"),
    "signal": (start_signal, r".*<on_signal SIGUSR1 hold, \d so far>.*"),
}


def run(start: Callable[[tether.Loop], None], *, debug: bool) -> None:
    loop = tether.Loop()
    loop.set_debug(debug)
    loop.slow_callback_duration = SLOW
    start(loop)
    loop.call_later(2 * SLOW, loop.stop)
    loop.run_forever()
    loop.close()


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_slow_is_named(kind: str, reports: Reports) -> None:
    start, named = KINDS[kind]
    run(start, debug=True)
    messages = reports.take()
    assert len(messages) == 1
    assert re.fullmatch(rf"Executing {named} took \d\.\d\d\d seconds", messages[0], re.DOTALL)


def test_a_watch_is_named(reports: Reports) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x")

    def start(loop: tether.Loop) -> None:
        def once(what: int) -> None:
            watch.cancel()
            time.sleep(SLOW)

        watch = loop.scope.watch(reading, tether.READ, once)

    run(start, debug=True)
    (message,) = reports.take()
    assert re.fullmatch(
        rf"Executing <Watch {reading} READ .*once> took \d\.\d\d\d seconds", message
    )
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_named_without_debug_mode(kind: str, reports: Reports) -> None:
    run(KINDS[kind][0], debug=False)
    assert reports.take() == []


def test_the_duration_can_be_set(reports: Reports) -> None:
    loop = tether.Loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 10
    loop.call_soon(hold)
    loop.run_once()
    loop.close()
    assert reports.take() == []


def test_a_task_that_waits_for_a_stream_is_named(reports: Reports) -> None:
    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = SLOW
        scope = tether.Scope()
        scope.after(0, scope.close)
        await scope.wait_closed()
        time.sleep(SLOW)  # noqa: ASYNC251

    tether.run(main(), debug=True)
    messages = [message for message in reports.take() if "main()" in message]
    assert len(messages) == 1
    assert messages[0].startswith("Executing <Task")
