"""Three storms on the real device server; afterwards it is as it was before.

Server and clients are two processes, so that descriptors and memory are the server's own. How many
clients a storm has, `TETHER_STORM_CLIENTS` says (default 2,000).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.storm.storm_clients import WAYS
from tests.storm.storm_wire import STYLES

CLIENTS = int(os.environ.get("TETHER_STORM_CLIENTS", "2000"))
AT_ONCE = 200
STORMS = 3
MEMORY_GROWTH = 1.05
"""Of the third storm over the second."""

PATIENCE = 300.0
SETTLING = 30.0
"""Seconds in which everything ends that a client left behind; the head deadline is 5 s here."""

HERE = Path(__file__).parent

Measure = dict[str, Any]


class Server:
    """The server process; `measure` asks it what it holds."""

    def __init__(self, folder: Path) -> None:
        self._errors = folder / "errors"
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "tests.storm.storm_server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._timer = threading.Timer(2 * PATIENCE, self.process.kill)
        self._timer.start()
        self.address = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors
        return line.strip()

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def measure(self, word: str = "sweep") -> Measure:
        self._say(word)
        found: Measure = json.loads(self._line())
        return found

    def rest(self) -> Measure:
        """What it holds once its devices were read."""
        return self._measure_until(lambda found: "<Task" not in "".join(found["tree"]))

    def busiest(self, goes_on: Callable[[], bool]) -> Measure:
        """What it holds in the middle of a storm."""
        found = self.measure("look")
        while goes_on() and found["sessions"] < AT_ONCE // 4:
            threading.Event().wait(0.05)
            found = max(found, self.measure("look"), key=lambda one: int(one["sessions"]))
        return found

    def settle(self, before: Measure) -> Measure:
        """What it holds once all is as before, or after `SETTLING` seconds."""
        return self._measure_until(
            lambda found: all(found[key] == before[key] for key in ("tree", "descriptors"))
        )

    def _measure_until(self, condition: Any) -> Measure:
        deadline = time.monotonic() + SETTLING
        while not condition(found := self.measure()) and time.monotonic() < deadline:
            threading.Event().wait(0.1)
        return found

    def stop(self) -> int:
        """Stop it gracefully; returns its exit status."""
        self._say("stop")
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self._timer.cancel()
        self.process.kill()
        self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def is_running(process: subprocess.Popen[str]) -> bool:
    return process.poll() is None


@dataclass
class Weather:
    """What three storms left behind."""

    before: Measure
    during: list[Measure] = field(default_factory=list)
    after: list[Measure] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    status: int = -1
    errors: str = ""


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weather]:
    server = Server(tmp_path_factory.mktemp("storm"))
    try:
        weather = Weather(server.rest())
        for number in range(STORMS):
            arguments = [server.address, str(CLIENTS), str(AT_ONCE), str(number)]
            with subprocess.Popen(
                [sys.executable, "-m", "tests.storm.storm_clients", *arguments],
                stdout=subprocess.PIPE,
                text=True,
            ) as clients:
                busiest = server.busiest(partial(is_running, clients))
                report = json.loads(clients.communicate(timeout=PATIENCE)[0])
            weather.during.append(busiest)
            weather.seen.update(report["counts"])
            weather.foreign += report["problems"]
            weather.after.append(server.settle(weather.before))
        weather.status = server.stop()
        weather.errors = server.errors
        yield weather
    finally:
        server.close()


def test_clients_left_in_every_way_and_handlers_closed_everywhere(weather: Weather) -> None:
    for way in WAYS:
        assert weather.seen[f"left: {way}"] == STORMS * (CLIENTS // len(WAYS)), way
    counts = weather.after[-1]["counts"]
    for style in STYLES:
        assert counts["raised" if style == "raise" else f"ended in {style}"] > 0, style
    assert counts["killed"] > 0
    assert counts["pushes"] > counts["opened"] > 0
    for found in weather.during:
        assert found["sessions"] > 0
        assert found["objects"]["WebSocket"] > 0


def test_nobody_received_a_byte_meant_for_another(weather: Weather) -> None:
    assert weather.foreign == []
    assert weather.seen["frames"] > weather.seen["opened"] > 0


def test_no_callback_ran_after_its_session_closed(weather: Weather) -> None:
    counts = weather.after[-1]["counts"]
    assert weather.after[-1]["violations"] == []
    assert counts["closed"] == counts["opened"] > 0


def test_nothing_was_logged_but_what_the_storm_raised(weather: Weather) -> None:
    last = weather.after[-1]
    assert last["problems"] == []
    assert last["intended"] == last["counts"]["raised"] > 0
    assert (weather.status, weather.errors) == (0, "")


def test_no_timer_task_stream_or_descriptor_is_left(weather: Weather) -> None:
    before = weather.before
    for after in weather.after:
        assert after["tree"] == before["tree"]
        assert after["descriptors"] == before["descriptors"]
        assert after["tasks"] == before["tasks"]
        assert (after["sessions"], after["connections"], after["visitors"]) == (0, 0, 0)
        for kind, count in after["objects"].items():
            assert count <= before["objects"][kind], kind


def test_memory_does_not_grow(weather: Weather) -> None:
    if weather.before["is_sanitized"]:
        pytest.skip("the address sanitizer keeps freed memory: what is resident says nothing")
    second, third = weather.after[-2]["resident"], weather.after[-1]["resident"]
    assert third <= second * MEMORY_GROWTH
