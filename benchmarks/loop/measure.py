"""What lives here: one measurement of a loop: a fresh process on its core, a load on the other.

It must not know which loops and works there are, nor what becomes of the figures.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.build import compiled
from benchmarks.loop.cases import (
    FIRST_CONNECTIONS,
    HERE,
    IDLE,
    IDLE_CONNECTIONS,
    PROGRAMS,
    Loop,
    Work,
    program,
)
from benchmarks.loop.works.tls_echo import make_certificate
from benchmarks.process import Running, finished, held, started
from benchmarks.room import Measurement
from benchmarks.websocket.echo import of_load

# Beyond its own duration: what is set up around what counts takes its time too.
DEADLINE = 60.0


def load_program() -> Path:
    """Return the load generator of the echoes, compiling it where needed."""
    return compiled(HERE / "load.c", libraries=["ssl", "crypto"])


def measure(
    loop: Loop, case: Work, cores: tuple[int, int], seconds: float, warmup: float
) -> Measurement:
    """Start a loop, give it its work for so many seconds, and end it.

    Raises:
        MeasurementError: it did not start, or an echo was wrong or missing.
        BuildError: a program of the benchmark's own does not compile here.
    """
    numbers = [str(number) for number in case.numbers]
    if case.connections:
        return _under_load(loop, case, numbers, cores, seconds, warmup)
    if loop.name in PROGRAMS:
        command = [str(program(loop.name, _module(case))), *numbers, str(seconds), str(warmup)]
    else:
        command = [*_command(loop, case), *numbers]
        command += ["--seconds", str(seconds), "--warmup", str(warmup)]
    figures = finished(command, cores[0], (seconds + warmup) * 10 + DEADLINE)
    return Measurement(
        rate=figures["operations"] / figures["seconds"],
        cpu=figures["cpu_seconds"] / figures["operations"] * 1e6,
        busy=figures["cpu_seconds"] / figures["seconds"],
        waited=figures["waited_seconds"] / figures["seconds"],
    )


def _under_load(
    loop: Loop,
    case: Work,
    numbers: list[str],
    cores: tuple[int, int],
    seconds: float,
    warmup: float,
) -> Measurement:
    if "--tls" in case.load:
        make_certificate()
    server_core, load_core = cores
    with started(_server(loop, case, numbers), server_core) as running:
        arguments = {
            "--port": running.port,
            "--connections": case.connections,
            "--size": case.size,
            "--seconds": seconds,
            "--warmup": warmup,
            "--server-pid": running.process,
        }
        command = [str(load_program()), *case.load]
        for name, value in arguments.items():
            command += [name, str(value)]
        return of_load(finished(command, load_core, seconds + warmup + DEADLINE))


def measure_idle(loop: Loop, cores: tuple[int, int]) -> float:
    """Return the resident bytes of an echo server for each idle connection, after one message.

    Raises:
        MeasurementError: it did not start, or did not take the connections.
    """
    server_core, load_core = cores
    with (
        started(_server(loop, IDLE, []), server_core) as running,
        _held(running, FIRST_CONNECTIONS, load_core),
    ):
        before = machine.settled_resident_bytes(running.process)
        with _held(running, IDLE_CONNECTIONS, load_core):
            after = machine.settled_resident_bytes(running.process)
    return (after - before) / IDLE_CONNECTIONS


def _held(running: Running, connections: int, core: int) -> contextlib.AbstractContextManager[None]:
    command = [str(load_program()), "--hold", "--port", str(running.port), "--size", "32"]
    command += ["--server-pid", str(running.process), "--connections", str(connections)]
    return held(command, core)


def _server(loop: Loop, case: Work, numbers: list[str]) -> list[str]:
    if loop.name in PROGRAMS:
        return [str(program(loop.name, _module(case))), *numbers]
    return [*_command(loop, case), *numbers, "--serve"]


def _module(case: Work) -> str:
    return case.work.partition(".")[0]


def _command(loop: Loop, case: Work) -> list[str]:
    # No option of the interpreter's, so that it is the same one for all.
    work = dict(loop.ways).get(case.work, case.work)
    return [sys.executable, "-m", "benchmarks.loop.run", loop.name, work]
