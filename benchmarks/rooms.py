"""What lives here: the rooms that ``python -m benchmarks`` runs, in this order.

It must not know how anything is measured.
"""

from __future__ import annotations

from typing import Any

from benchmarks.loop import cases as loop
from benchmarks.loop import measure
from benchmarks.room import Room
from benchmarks.websocket import cases as websocket
from benchmarks.websocket import echo

WEBSOCKET = Room(
    name="websocket",
    title="WebSocket echo",
    about="server and load on a core each.",
    results="results",
    peers=websocket.SERVERS,
    cases=websocket.CASES,
    references=websocket.REFERENCES,
    seconds=2.0,
    measure=echo.measure,
    memory=(websocket.IDLE_CASE, echo.measure_idle),
)

LOOP = Room(
    name="loop",
    title="The loop",
    about="the loop on one core, the load of the echoes on another.",
    results="loop",
    peers=loop.LOOPS,
    cases=loop.CASES,
    references=loop.REFERENCES,
    seconds=1.0,
    measure=measure.measure,
    memory=(loop.IDLE_CASE, measure.measure_idle),
)

ROOMS: tuple[Room[Any, Any], ...] = (WEBSOCKET, LOOP)
