"""The real device server in the storm, with sessions beside it that close themselves and others.

Run as a program: it prints its address, then answers each line `look` with a line of JSON about
what it holds, and `sweep` after it collected its garbage, until `stop`. Knows nothing of clients.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import tether
from tests.storm.storm_wire import KILLED, METERS, message
from tether.app.server import Server
from tether.config.settings import parse
from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, Kind, Value
from tether.hub.hub import Hub
from tether.hub.server import build, limits_of

PUSH_SECONDS = 0.005
HEAD_SECONDS = 5.0
"""So long does a client that vanished in the middle of its handshake stay."""

SETTINGS = """
[hub]
history_points = 200
[limits]
slow_client = 1
"""
OURS = frozenset(
    (
        *("WebSocket", "Connection", "Request", "Stream", "Outcome", "Output", "Receiving"),
        *("Timer", "OwnedTask", "Driver", "Replying", "Session", "Visitor"),
    )
)
"""Types whose objects live as long as a client does."""


class Intended(Exception):
    """What a session of the style `raise` fails with."""


class Meters(Driver):
    """Sensors that are read once; then the storm publishes."""

    def __init__(self) -> None:
        self.devices = tuple(
            Device(f"meter-{number}", f"Meter {number}", Kind.SENSOR, interval=3600.0)
            for number in range(METERS)
        )

    async def read(self, device: Device) -> Value:
        return float(device.id.removeprefix("meter-"))


class Arena:
    """The sessions that close each other, and what was seen of them."""

    def __init__(self) -> None:
        self.visitors: list[Visitor] = []
        self.random = random.Random(2)
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def close_sibling(self, but: Visitor) -> None:
        """Close another session; not always, else nobody would be left to leave by itself."""
        others = [visitor for visitor in self.visitors if visitor is not but]
        if others and self.random.random() < 0.6:
            victim = self.random.choice(others)
            if victim.ws.state == "open":
                self.counts["killed"] += 1
            victim.ws.close(code=KILLED, reason=victim.token)


class Visitor:
    """One session: pushes to its token every 5 ms, and closes where its style says."""

    def __init__(self, arena: Arena, ws: tether.WebSocket, style: str, token: str) -> None:
        self.arena = arena
        self.ws = ws
        self.style = style
        self.token = token
        self.number = 0
        self.is_gone = False
        arena.counts["opened"] += 1
        arena.visitors.append(self)
        ws.on_close(self.closed)
        ws.every(PUSH_SECONDS, self.tick)
        if style == "timer":
            ws.after(arena.random.uniform(0.0, 0.2), self.end, "timer")
        elif style == "task":
            ws.spawn(self.wander())
        elif style == "drain":
            ws.on_drain(self.drained)
        if style != "handler":
            ws.on_message(self.heard)

    def check(self, where: str) -> None:
        if self.ws.state != "open" or self.is_gone:
            self.arena.violations.append(f"{where} of {self.token} ran while {self.ws.state}")

    def push(self, repeats: int) -> bool:
        taken = bool(self.ws.send(message(self.token, self.number, repeats)))
        self.number += taken
        return taken

    def tick(self) -> None:
        self.check("timer")
        self.push(self.number % 5)
        self.arena.counts["pushes"] += 1

    def end(self, where: str) -> None:
        self.check(where)
        self.arena.counts[f"ended in {where}"] += 1
        self.arena.close_sibling(self)
        self.ws.close()

    def expect(self, text: str | bytes) -> None:
        if text != f"{self.token} end":
            self.arena.violations.append(f"{self.token} was sent {text[:80]!r}")

    def heard(self, text: str | bytes) -> None:
        self.check("message")
        self.expect(text)
        if self.style == "message":
            self.end("message")
        elif self.style == "drain":
            while self.push(4000):
                pass
        elif self.style == "raise":
            self.arena.counts["raised"] += 1
            raise Intended(self.token)

    def drained(self) -> None:
        self.check("drain")
        self.end("drain")

    async def wander(self) -> None:
        await asyncio.sleep(self.arena.random.uniform(0.0, 0.2))
        self.end("task")

    def closed(self, cause: BaseException | None) -> None:
        if self.is_gone:
            self.arena.violations.append(f"on_close of {self.token} ran twice")
        self.is_gone = True
        self.arena.counts["closed"] += 1
        self.arena.visitors.remove(self)
        if self.style == "on_close":
            self.arena.counts["ended in on_close"] += 1
            self.arena.close_sibling(self)
            self.ws.close()


class Problems(logging.Handler):
    """Everything that was logged as a warning or worse, but what the storm intended."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.intended = 0
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Intended):
            self.intended += 1
        else:
            self.lines.append(f"{record.getMessage()} {error!r}"[:500])


def measure(loop: tether.Loop, server: Server, arena: Arena, problems: Problems) -> dict[str, Any]:
    """What this process holds."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    kinds = Counter(type(thing).__name__ for thing in gc.get_objects())
    return {
        "sessions": server.sessions,
        "connections": server.connections,
        "visitors": len(arena.visitors),
        "counts": arena.counts,
        "violations": arena.violations[:20],
        "intended": problems.intended,
        "problems": problems.lines[:20],
        "tree": tree(loop),
        "descriptors": descriptors(),
        "tasks": sorted(task.get_name() for task in asyncio.all_tasks(loop)),
        "objects": {kind: kinds[kind] for kind in sorted(OURS)},
        "resident": int(found[1]) * 1024,
        "is_sanitized": "libasan" in Path("/proc/self/maps").read_text(),
    }


def tree(loop: tether.Loop) -> list[str]:
    """The loop's tree without what changes by itself: ages, counters, the hub's next push."""
    text = re.sub(r"\d+\.\d s|accepted=\d+", "", loop.tree())
    return [line for line in text.splitlines() if "Broadcast._tell" not in line]


def descriptors() -> list[str]:
    """Every open descriptor with what it is, without the one that lists them."""
    lines = []
    for entry in sorted(Path("/proc/self/fd").iterdir(), key=lambda entry: int(entry.name)):
        try:
            lines.append(f"{entry.name} {entry.readlink()}")
        except FileNotFoundError:
            continue
    return lines


async def main() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, tether.Loop)
    settings = parse(SETTINGS)
    hub = Hub(settings, drivers=[Meters()])
    app = build(settings, hub=hub)
    arena, problems = Arena(), Problems()
    logging.getLogger().addHandler(problems)

    @app.websocket("/storm/{style}/{token}", write_high=32 * 1024, write_low=8 * 1024)
    def plain(ws: tether.WebSocket, style: str, token: str) -> None:
        Visitor(arena, ws, style, token)

    @app.websocket("/handler/{token}")
    async def handler(ws: tether.WebSocket, token: str) -> None:
        visitor = Visitor(arena, ws, "handler", token)
        async for text in ws:
            # A handler may still take what its peer sent before the peer's own orderly close.
            if ws.closed_by != "peer":
                visitor.check("handler")
            visitor.expect(text)
            arena.counts["ended in handler"] += 1
            arena.close_sibling(visitor)
            return

    pushes = 0

    def publish() -> None:
        nonlocal pushes
        pushes += 1
        for number, device in enumerate(hub.devices):
            hub.registry.publish(device, float(pushes * METERS + number))

    @app.on_start
    def begin(server: Server) -> None:
        server.every(PUSH_SECONDS, publish)

    async with app.listen(
        "127.0.0.1:0", head_timeout=HEAD_SECONDS, **limits_of(settings)
    ) as server:
        stopped = asyncio.Event()

        def command() -> None:
            line = sys.stdin.readline()
            if line == "sweep\n":
                while gc.collect():
                    pass
            if line in ("look\n", "sweep\n"):
                print(json.dumps(measure(loop, server, arena, problems)), flush=True)
            else:
                stopped.set()

        loop.add_reader(sys.stdin, command)
        print(server.address, flush=True)
        await stopped.wait()
        loop.remove_reader(sys.stdin)


if __name__ == "__main__":
    tether.run(main())
