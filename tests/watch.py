"""Looks at what a process holds and at what was logged: descriptors, threads, reports.

Knows processes and logs, nothing of tether's inside.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import threading
from pathlib import Path


class Reports(logging.Handler):
    """What the loop and tether logged as a warning or an error. What a test expects, it takes."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def take(self) -> list[str]:
        """The messages so far, which from now on count as expected."""
        messages = [record.getMessage() for record in self.records]
        self.records.clear()
        return messages

    def take_errors(self) -> list[BaseException]:
        """The exceptions that were logged so far, which from now on count as expected."""
        errors = [
            record.exc_info[1]
            for record in self.records
            if record.exc_info is not None and record.exc_info[1] is not None
        ]
        assert len(errors) == len(self.records), self.take()
        self.records.clear()
        return errors


def open_descriptors() -> dict[int, str]:
    """Every descriptor of this process and what it is."""
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 the names, not the paths
        try:
            found[int(name)] = str(Path(f"/proc/self/fd/{name}").readlink())
        except OSError:
            continue  # the descriptor that listed them
    return found


def waiting_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}


KEEPS_FREED_MEMORY = "libasan" in Path("/proc/self/maps").read_text()
"""Whether this process keeps what it freed, so that `resident` says nothing."""


def resident() -> int:
    """Bytes of memory that this process holds, after giving back what it can."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
