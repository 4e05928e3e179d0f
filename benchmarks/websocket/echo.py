"""What lives here: one measurement: a fresh server on its core, a load on the other.

It must not know which servers there are, nor what becomes of the figures.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks import machine
from benchmarks.build import BENCHMARKS, compiled
from benchmarks.websocket.cases import FIRST_SESSIONS, IDLE_SESSIONS, Case, Server

ROOT = BENCHMARKS.parent
START_DEADLINE = 20.0
# Beyond its own duration; the load ends itself after 10 s without an echo.
LOAD_DEADLINE = 60.0


class MeasurementError(Exception):
    """A server did not start or did not echo; the message says what it printed."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run of the load against one server gave."""

    rate: float
    """Messages echoed a second."""
    server_cpu: float
    """Processor time of the server per message, in microseconds."""
    p50: float
    """Median latency, in microseconds."""
    p99: float
    """Latency that 1 % of the messages exceed, in microseconds."""
    server_busy: float
    """The server's share of its core, 0 to 1."""
    load_busy: float
    """The load generator's share of its core, 0 to 1."""
    waited: float
    """The share of the time in which one of the two, ready to run, found its core taken."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    process: int
    port: int


def load_program() -> Path:
    """Return the load generator, compiling it where needed."""
    here = Path(__file__).resolve().parent
    return compiled(here / "load.c", here / "load_session.c")


@contextlib.contextmanager
def started(server: Server, core: int) -> Iterator[Running]:
    """Run a server on that core; it is ended on the way out.

    Raises:
        MeasurementError: it ended, or said no port within 20 seconds.
    """
    with tempfile.TemporaryFile("w+") as errors:
        with machine.on_core(core):
            process = subprocess.Popen(
                server.command(), stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
            )
        with process:
            assert process.stdout is not None
            try:
                line = _line(process.stdout, START_DEADLINE)
                word, _, port = line.strip().partition(" ")
                if word != "PORT" or not port.isdigit():
                    raise MeasurementError(f"it did not start: {_last_line(errors) or repr(line)}")
                yield Running(process.pid, int(port))
            finally:
                _end(process)


def measure(
    server: Server, case: Case, cores: tuple[int, int], *, seconds: float, warmup: float
) -> Measurement:
    """Start a server, put a case's load on it for so many seconds, and end it.

    Raises:
        MeasurementError: the server did not start, or an echo was wrong or missing.
    """
    server_core, load_core = cores
    with started(server, server_core) as running:
        arguments = {
            "--port": running.port,
            "--connections": case.connections,
            "--in-flight": case.in_flight,
            "--size": case.size,
            "--seconds": seconds,
            "--warmup": warmup,
            "--server-pid": running.process,
        }
        command = [str(load_program())]
        for name, value in arguments.items():
            command += [name, str(value)]
        with machine.on_core(load_core):
            try:
                result = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=seconds + warmup + LOAD_DEADLINE,
                )
            except subprocess.TimeoutExpired:
                raise MeasurementError("the load did not come to its end") from None
    if result.returncode != 0:
        raise MeasurementError(result.stderr.strip() or f"the load ended with {result.returncode}")
    figures = json.loads(result.stdout)
    if figures["messages"] == 0:
        raise MeasurementError("no message was echoed within the window")
    return Measurement(
        rate=figures["rate"],
        server_cpu=figures["server_cpu_seconds"] / figures["messages"] * 1e6,
        p50=figures["p50_us"],
        p99=figures["p99_us"],
        server_busy=figures["server_cpu_seconds"] / figures["seconds"],
        load_busy=figures["load_cpu_seconds"] / figures["seconds"],
        waited=max(figures["server_waited_seconds"], figures["load_waited_seconds"])
        / figures["seconds"],
    )


def measure_idle(server: Server, cores: tuple[int, int]) -> float:
    """Return the resident bytes of a server per idle session that has echoed one message.

    Raises:
        MeasurementError: the server did not start, or did not take the sessions.
    """
    server_core, load_core = cores
    with started(server, server_core) as running, _held(running, FIRST_SESSIONS, load_core):
        before = machine.settled_resident_bytes(running.process)
        with _held(running, IDLE_SESSIONS, load_core):
            after = machine.settled_resident_bytes(running.process)
    return (after - before) / IDLE_SESSIONS


@contextlib.contextmanager
def _held(running: Running, sessions: int, core: int) -> Iterator[None]:
    command = [str(load_program()), "--port", str(running.port), "--hold"]
    command += ["--connections", str(sessions)]
    with tempfile.TemporaryFile("w+") as errors:
        with machine.on_core(core):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                if not _line(process.stdout, START_DEADLINE).startswith("READY"):
                    raise MeasurementError(f"sessions did not open: {_last_line(errors)}")
                yield
                process.stdin.close()
                process.wait(LOAD_DEADLINE)
            finally:
                process.kill()


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def _line(stream: IO[str], deadline: float) -> str:
    """The first line of a pipe; empty where none came in time."""
    ready, _, _ = select.select([stream], [], [], deadline)
    return stream.readline() if ready else ""


def _last_line(errors: IO[str]) -> str:
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return lines[-1] if lines else ""
