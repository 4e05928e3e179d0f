"""Runs cases of one module of the interpreter's own `test.test_asyncio`, in this process.

    python run_cases.py test_streams stock|tether RESULTS [CASE ...]

RESULTS gets one JSON object a line: the names of all cases, then each case when it begins and
when it ended. Knows no list of exceptions, and does not judge. Without CASE it runs them all.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
import time
import traceback
import unittest
from asyncio import base_events
from collections.abc import Callable, Iterator
from typing import Any, TextIO

PATIENCE = 30.0  # seconds for one case: what is stuck ends the process, and says where
#: Left out, since they take half of the time of all, and run a loop of the tests' own only: they
#: collect garbage a hundred times.
LONG_WITHOUT_A_LOOP = {"test_task_del_collect", "test_future_del_collect"}


class Recording(unittest.TestResult):
    """Writes what becomes of each case at once: the next one may take the process with it."""

    def __init__(self, results: TextIO, loops_made: Callable[[], int]) -> None:
        super().__init__()
        self.results = results
        self.loops_made = loops_made
        self.loops_before = 0
        self.began = 0.0
        self.outcome = "passed"
        self.output: list[str] = []

    def startTest(self, test: unittest.TestCase) -> None:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        super().startTest(test)
        self.outcome, self.output, self.began = "passed", [], time.monotonic()
        self.write({"begins": test.id()})

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()
        loops = self.loops_made()
        self.write(
            {
                "case": test.id(),
                "defined": defined(test),
                "outcome": self.outcome,
                "loops": loops - self.loops_before,
                "seconds": round(time.monotonic() - self.began, 3),
                "output": "\n".join(self.output),
            }
        )
        self.loops_before = loops

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        text = "".join(traceback.format_exception(*err))
        self.outcome = "failed"
        self.output.append(text)
        if not isinstance(test, unittest.TestCase):  # the set-up of a class or of the module
            self.write({"broken": test.id(), "output": text})

    addFailure = addError

    def addSubTest(self, test: unittest.TestCase, subtest: Any, err: Any) -> None:
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.outcome = "skipped"
        self.output.append(reason)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.outcome = "failed"
        self.output.append("it passes, where CPython's developers expect that it does not")

    def write(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), file=self.results, flush=True)


def defined(test: unittest.TestCase) -> str:
    """Where a case is written: several classes inherit it, each with a loop of its own."""
    function = getattr(type(test), test.id().rpartition(".")[2], None)
    return f"{function.__module__}.{function.__qualname__}" if function else test.id()


def cases_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases_of(test)
        elif test.id().rpartition(".")[2] not in LONG_WITHOUT_A_LOOP:
            yield test


def as_a_shell_starts_programs() -> None:
    # Who starts this in the background has SIGINT ignored; asyncio's runners hang then.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def count_stock_loops() -> Callable[[], int]:
    """Leaves the stock loop where it is, and counts those that tether's would stand in for."""
    simulated = importlib.import_module("test.test_asyncio.utils").TestLoop
    made = 0
    base: Any = base_events.BaseEventLoop
    real = base.__init__

    def counting(self: Any) -> None:
        nonlocal made
        made += not isinstance(self, simulated)
        real(self)

    base.__init__ = counting
    return lambda: made


def main(name: str, loop: str, results: str, *wanted: str) -> None:
    as_a_shell_starts_programs()
    faulthandler.enable()
    place = importlib.import_module("loop_in_place") if loop == "tether" else None
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    support: Any = importlib.import_module("test.support")
    threads: Any = importlib.import_module("test.support.threading_helper")
    support.use_resources = ["cpu", "subprocess", "walltime"]  # not "network": nobody outside
    loops_made = place.put_tether_in_place() if place else count_stock_loops()
    module = importlib.import_module(f"test.test_asyncio.{name}")
    if place:
        place.put_tether_into(module)
    cases = list(cases_of(unittest.defaultTestLoader.loadTestsFromModule(module)))
    with open(results, "w") as file:  # noqa: PTH123
        recording = Recording(file, loops_made)
        recording.write({"cases": {case.id(): defined(case) for case in cases}})
        before = threads.threading_setup()
        chosen = [case for case in cases if not wanted or case.id() in wanted]
        unittest.TestSuite(chosen).run(recording)
        threads.threading_cleanup(*before)
        support.reap_children()


if __name__ == "__main__":
    main(*sys.argv[1:])
