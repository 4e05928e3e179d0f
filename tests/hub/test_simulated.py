"""The simulated board: LEDs that warm a sensor, always marked simulated."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from tether.config.settings import ConfigError, parse
from tether.hub.devices.discovery import discover
from tether.hub.devices.model import Kind, Value
from tether.hub.devices.simulated import AMBIENT, INERTIA, SWAY, WARMTH, SimulatedBoard


class Board:
    """The board and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.board = SimulatedBoard(clock=lambda: self.now)
        self.switch, self.light, self.sensor = self.board.devices

    def temperature(self) -> float:
        return float(asyncio.run(self.board.read(self.sensor)))

    def set(self, value: Value) -> None:
        device = self.switch if isinstance(value, bool) else self.light
        asyncio.run(self.board.write(device, value))


def test_all_of_it_is_marked() -> None:
    assert all(device.simulated for device in SimulatedBoard().devices)


def test_leds_say_what_they_were_set_to() -> None:
    board = Board()
    assert asyncio.run(board.board.read(board.switch)) is False
    board.set(True)
    board.set(40)
    assert asyncio.run(board.board.read(board.switch)) is True
    assert asyncio.run(board.board.read(board.light)) == 40


def test_an_led_warms_the_sensor_with_inertia() -> None:
    board = Board()
    cold = board.temperature()
    assert abs(cold - AMBIENT) <= SWAY
    board.set(True)
    assert board.temperature() == cold, "nothing is warm at once"
    temperatures = []
    for _ in range(10):
        board.now += INERTIA / 2
        temperatures.append(board.temperature())
    steps = [after - before for before, after in itertools.pairwise(temperatures)]
    assert temperatures[0] > cold + WARMTH * 0.3
    assert steps[0] > steps[-1], "it slows down as it comes near"
    assert abs(temperatures[-1] - (AMBIENT + WARMTH)) < 1.5
    board.set(False)
    board.now += 10 * INERTIA
    assert abs(board.temperature() - AMBIENT) <= SWAY + 0.01


def test_how_often_it_is_read_does_not_matter_to_the_physics() -> None:
    often, seldom = Board(), Board()
    for board in (often, seldom):
        board.set(True)
    for second in range(1, 61):
        often.now = float(second)
        often.temperature()
    seldom.now = 60.0
    assert abs(often.temperature() - seldom.temperature()) < 1.0


def test_a_dimmed_light_warms_less() -> None:
    dim, full = Board(), Board()
    dim.set(30)
    full.set(100)
    dim.now = full.now = 60.0
    assert AMBIENT + 2 < dim.temperature() < full.temperature() - 5


def test_it_is_alive_without_anyone_touching_it() -> None:
    board = Board()
    seen = set()
    for _ in range(60):
        board.now += 5.0
        seen.add(board.temperature())
    assert len(seen) > 20


def test_tables_together_are_one_board(tmp_path: Path) -> None:
    table = '[[devices]]\nid = "{0}"\ndriver = "simulated"\nsource = "{0}"\n'
    text = "".join(table.format(source) for source in ("light", "temperature"))
    drivers = discover(parse("[hub]\ndiscover = false\n" + text), root=tmp_path)
    (board,) = drivers
    assert [(device.id, device.kind) for device in board.devices] == [
        ("light", Kind.LIGHT),
        ("temperature", Kind.SENSOR),
    ]
    assert all(device.simulated for device in board.devices)


@pytest.mark.parametrize(
    ("rest", "key"), [('source = "fan"', "source"), ('source = "light"\nkind = "switch"', "kind")]
)
def test_a_table_that_is_unfit(tmp_path: Path, rest: str, key: str) -> None:
    table = '[[devices]]\nid = "t"\ndriver = "simulated"\n' + rest
    with pytest.raises(ConfigError, match=rf"devices\[0\]\.{key}: expected"):
        discover(parse(table), root=tmp_path)
