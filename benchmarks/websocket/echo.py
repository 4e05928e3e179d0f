"""What lives here: one measurement: a fresh server on its core, a load on the other.

It must not know which servers there are, nor what becomes of the figures.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from benchmarks import machine
from benchmarks.build import compiled
from benchmarks.process import Running, finished, held, started
from benchmarks.room import Measurement, MeasurementError
from benchmarks.websocket.cases import FIRST_SESSIONS, IDLE_SESSIONS, Load, Server

# Beyond its own duration; the load ends itself after 10 s without an echo.
LOAD_DEADLINE = 60.0


def load_program() -> Path:
    """Return the load generator, compiling it where needed."""
    here = Path(__file__).resolve().parent
    return compiled(here / "load.c", here / "load_session.c")


def measure(
    server: Server, case: Load, cores: tuple[int, int], seconds: float, warmup: float
) -> Measurement:
    """Start a server, put a case's load on it for so many seconds, and end it.

    Raises:
        MeasurementError: the server did not start, or an echo was wrong or missing.
    """
    server_core, load_core = cores
    with started(server.command(), server_core) as running:
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
        return of_load(finished(command, load_core, seconds + warmup + LOAD_DEADLINE))


def of_load(figures: dict[str, float]) -> Measurement:
    """Return what a load generator's line of JSON says of its server.

    Raises:
        MeasurementError: nothing came back within the window.
    """
    if figures["messages"] == 0:
        raise MeasurementError("no message was echoed within the window")
    return Measurement(
        rate=figures["rate"],
        cpu=figures["server_cpu_seconds"] / figures["messages"] * 1e6,
        busy=figures["server_cpu_seconds"] / figures["seconds"],
        waited=max(figures["server_waited_seconds"], figures["load_waited_seconds"])
        / figures["seconds"],
        load_busy=figures["load_cpu_seconds"] / figures["seconds"],
        p50=figures["p50_us"],
        p99=figures["p99_us"],
    )


def measure_idle(server: Server, cores: tuple[int, int]) -> float:
    """Return the resident bytes of a server per idle session that has echoed one message.

    Raises:
        MeasurementError: the server did not start, or did not take the sessions.
    """
    server_core, load_core = cores
    with (
        started(server.command(), server_core) as running,
        _held(running, FIRST_SESSIONS, load_core),
    ):
        before = machine.settled_resident_bytes(running.process)
        with _held(running, IDLE_SESSIONS, load_core):
            after = machine.settled_resident_bytes(running.process)
    return (after - before) / IDLE_SESSIONS


def _held(running: Running, sessions: int, core: int) -> contextlib.AbstractContextManager[None]:
    command = [str(load_program()), "--port", str(running.port), "--hold"]
    return held([*command, "--connections", str(sessions)], core)
