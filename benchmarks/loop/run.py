"""What lives here: the program that gives one loop one work, again and again, and counts.

It prints a line of JSON; or ``PORT n`` where the work is to serve somebody else's load. It must
not know the works. ``python -m benchmarks.loop.run --help`` says how to start it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import signal
import time
from collections.abc import Awaitable, Callable

from benchmarks.loop.loops import new_loop
from benchmarks.loop.stopwatch import Stopwatch

Work = Callable[..., Awaitable[None]]


async def repeat(work: Work, numbers: list[int], seconds: float) -> Stopwatch:
    """Do the work, once at least, until so many seconds of it have been counted."""
    stopwatch = Stopwatch()
    end = time.monotonic() + seconds * 10
    while not stopwatch.operations or (stopwatch.seconds < seconds and time.monotonic() < end):
        await work(stopwatch, *numbers)
    return stopwatch


async def count(work: Work, numbers: list[int], seconds: float, warmup: float) -> None:
    """Warm up, do the work for so many seconds, and print what came of it."""
    await repeat(work, numbers, warmup)
    print(json.dumps(vars(await repeat(work, numbers, seconds))), flush=True)


async def serve(work: Callable[..., Awaitable[int]], numbers: list[int]) -> None:
    """Serve until the process is asked to end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    print(f"PORT {await work(*numbers)}", flush=True)
    await ended.wait()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop.run")
    parser.add_argument("loop", help="a loop's name")
    parser.add_argument("work", help="MODULE.FUNCTION of benchmarks/loop/works")
    parser.add_argument("numbers", type=int, nargs="*", help="what the work takes")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--serve", action="store_true", help="print a port and serve")
    options = parser.parse_args()
    module, _, function = options.work.partition(".")
    work = getattr(importlib.import_module(f"benchmarks.loop.works.{module}"), function)
    with asyncio.Runner(loop_factory=lambda: new_loop(options.loop)) as runner:
        if options.serve:
            runner.run(serve(work, options.numbers))
        else:
            runner.run(count(work, options.numbers, options.seconds, options.warmup))


if __name__ == "__main__":
    main()
