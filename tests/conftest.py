"""What all tests share: nothing may be left behind, and no failure may pass unseen.

Knows processes, threads and logs, nothing of tether's inside.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: The rooms whose every test is watched; the others have fixtures of their own for it.
WATCHED = {"engine", "aio", "stream", "connect"}


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
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor that listed them
    return found


def waiting_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}


@pytest.fixture
def reports() -> Iterator[Reports]:
    """What was logged; what is in it at the end of the test fails it."""
    handler = Reports()
    loggers = [logging.getLogger(name) for name in ("asyncio", "tether")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    gc.collect()  # a future or a task whose failure nobody saw says so when it goes
    for logger in loggers:
        logger.removeHandler(handler)
    assert handler.take() == []


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """The test leaves no descriptor and no thread behind."""
    gc.collect()
    descriptors, threads = open_descriptors(), waiting_threads()
    yield
    gc.collect()
    left = {
        number: what
        for number, what in open_descriptors().items()
        if descriptors.get(number) != what
    }
    assert left == {}
    assert waiting_threads() - threads == set()


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest) -> None:
    """Watch over the tests of the rooms below the application."""
    if request.path.relative_to(TESTS).parts[0] in WATCHED:
        request.getfixturevalue("nothing_left")
        request.getfixturevalue("reports")
