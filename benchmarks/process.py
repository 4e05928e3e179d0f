"""What lives here: a program that is started on a core, and what it says of itself.

It must not know which programs there are, nor what is measured.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from benchmarks import machine
from benchmarks.build import BENCHMARKS
from benchmarks.room import MeasurementError

ROOT = BENCHMARKS.parent
START_DEADLINE = 20.0
END_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    process: int
    port: int


@contextlib.contextmanager
def started(command: Sequence[str], core: int) -> Iterator[Running]:
    """Run a server on that core; it is ended on the way out.

    Raises:
        MeasurementError: it ended, or said no port within 20 seconds.
    """
    with tempfile.TemporaryFile("w+") as errors:
        with machine.on_core(core):
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
            )
        with process:
            assert process.stdout is not None
            try:
                line = first_line(process.stdout, START_DEADLINE)
                word, _, port = line.strip().partition(" ")
                if word != "PORT" or not port.isdigit():
                    raise MeasurementError(f"it did not start: {last_line(errors) or repr(line)}")
                yield Running(process.pid, int(port))
            finally:
                _end(process)


@contextlib.contextmanager
def held(command: Sequence[str], core: int) -> Iterator[None]:
    """Run a load on that core that opens sessions and keeps them; it is ended on the way out.

    Raises:
        MeasurementError: they were not all open within 20 seconds.
    """
    with tempfile.TemporaryFile("w+") as errors:
        with machine.on_core(core):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                if not first_line(process.stdout, START_DEADLINE).startswith("READY"):
                    raise MeasurementError(f"sessions did not open: {last_line(errors)}")
                yield
                process.stdin.close()
                process.wait(END_DEADLINE)
            finally:
                process.kill()


def finished(command: Sequence[str], core: int, deadline: float) -> dict[str, Any]:
    """Run a program on that core to its end, and return the JSON it printed.

    Raises:
        MeasurementError: it failed, or did not end within `deadline` seconds.
    """
    with machine.on_core(core):
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=deadline, cwd=ROOT
            )
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"it did not end within {deadline:g} s") from None
    if result.returncode != 0:
        said = result.stderr.strip().splitlines()
        raise MeasurementError(said[-1] if said else f"it ended with {result.returncode}")
    figures: dict[str, Any] = json.loads(result.stdout)
    return figures


def first_line(stream: IO[str], deadline: float) -> str:
    """Return the first line of a pipe; empty where none came in time."""
    ready, _, _ = select.select([stream], [], [], deadline)
    return stream.readline() if ready else ""


def last_line(errors: IO[str]) -> str:
    """Return the last line that was written to a file; empty where there is none."""
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return lines[-1] if lines else ""


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
