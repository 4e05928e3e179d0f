"""The summary of CPython's cases at the end of the run."""

from __future__ import annotations

import pytest

from tests.cpython.counted import COUNTED, summary


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COUNTED:
        terminalreporter.section("CPython's test_asyncio on tether.Loop")
        for line in summary():
            terminalreporter.write_line(line)
