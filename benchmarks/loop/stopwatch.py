"""What lives here: the clocks around what counts: time, processor time, and how much was done.

It must not know what is done.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator
from pathlib import Path

_SCHEDULE = Path("/proc/thread-self/schedstat")


class Stopwatch:
    """Adds up what passes within `counting`."""

    def __init__(self) -> None:
        self.operations = 0
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.waited_seconds = 0.0

    @contextlib.contextmanager
    def counting(self, operations: int) -> Iterator[None]:
        """What is done within this counts, as so many operations."""
        gc.collect()  # so that each begins with the same heap
        waited, cpu, began = _waited(), time.process_time(), time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began
        self.cpu_seconds += time.process_time() - cpu
        self.waited_seconds += _waited() - waited
        self.operations += operations


def _waited() -> float:
    """How long this thread, ready to run, has waited for others to leave its core."""
    try:
        return int(_SCHEDULE.read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
