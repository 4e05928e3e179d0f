"""Timers know nothing of the wall clock: it may be set forwards and back while they are pending.

The clock is set for a child process alone, by a library in front of the system's (wall_clock.c).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

import tether

DAY = 86_400
JUMPS = [DAY, -DAY, -7 * DAY, 3600, 400 * DAY, -800 * DAY]
COUNT = 100_000
PERIOD = 0.025


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("wall_clock") / "wall_clock.so"
    source = Path(__file__).with_name("wall_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


def test_no_timer_is_lost_early_or_fired_twice_when_the_wall_clock_jumps(
    poller: str, library: Path
) -> None:
    preloaded = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), str(library)]))
    ran = subprocess.run(
        [sys.executable, "-m", __name__, library],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"LD_PRELOAD": preloaded},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{poller}: {COUNT} timers fired, and {len(JUMPS)} jumps\n"


async def live_through(move: Callable[[int], None]) -> str:
    """In the child."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, tether.Loop)
    scope = tether.Scope()
    fired = bytearray(COUNT)
    earliest = 0.0
    ticks: list[float] = []
    jumps: list[float] = []
    done = asyncio.Event()
    begun = time.monotonic()

    def fire(number: int, due: float) -> None:
        nonlocal earliest
        fired[number] += 1
        earliest = min(earliest, time.monotonic() - due)

    def jump(seconds: int) -> None:
        before = time.time()
        move(seconds)
        jumps.append(time.time() - before)

    scope.every(PERIOD, lambda: ticks.append(time.monotonic()))
    for number in range(COUNT):
        seconds = 0.2 + number * 7919 % 1000 * 0.001
        scope.after(seconds, fire, number, time.monotonic() + seconds)
    for number, seconds in enumerate(JUMPS):
        scope.after(0.3 + 0.15 * number, jump, seconds)
    scope.after(1.5, done.set)
    async with asyncio.timeout(30):
        await done.wait()
        await asyncio.sleep(0.05)
    assert [round(seconds, -1) for seconds in jumps] == JUMPS
    assert fired == b"\x01" * COUNT
    assert earliest >= 0
    periods = [int((at - begun) / PERIOD) for at in ticks]
    assert periods == sorted(set(periods)), "a tick came twice in one period"
    assert all(later - at < 1 for at, later in pairwise(ticks))
    return f"{loop.poller.name}: {sum(fired)} timers fired, and {len(jumps)} jumps"


if __name__ == "__main__":
    print(tether.run(live_through(ctypes.CDLL(sys.argv[1]).move_wall_clock)))
