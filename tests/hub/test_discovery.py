"""Discovery: what the machine has, else the simulated board beside its real readings."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.hub.sysfs_tree import Tree
from tether.config.settings import ConfigError, parse
from tether.hub.devices.discovery import available, discover
from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, Kind

MACHINE = ["machine-cpu", "machine-memory", "machine-uptime", "machine-disk"]
BOARD = ["led-green", "led-white", "board-temperature"]


def names(drivers: Sequence[Driver]) -> list[str]:
    return [device.id for driver in drivers for device in driver.devices]


def test_no_board_is_found(tree: Tree) -> None:
    assert names(discover(parse(""), root=tree.root)) == MACHINE + BOARD


def test_a_board_is_found(tree: Tree) -> None:
    tree.led("led0", most=1)
    tree.zone(0, "cpu-thermal", "40000")
    assert names(discover(parse(""), root=tree.root)) == ["led0", "thermal-cpu-thermal", *MACHINE]


def test_sensors_without_an_led_are_no_board(tree: Tree) -> None:
    tree.zone(0, "cpu-thermal", "40000")
    found = names(discover(parse(""), root=tree.root))
    assert found == ["thermal-cpu-thermal", *MACHINE, *BOARD]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("simulated = false", MACHINE),
        ("simulated = true", MACHINE + BOARD),
        ("discover = false", BOARD),
        ("discover = false\nsimulated = false", []),
    ],
)
def test_what_the_settings_say(tree: Tree, text: str, expected: list[str]) -> None:
    assert names(discover(parse("[hub]\n" + text), root=tree.root)) == expected


def test_the_simulated_board_beside_a_real_one(tree: Tree) -> None:
    tree.led("led-green", most=1)
    found = names(discover(parse("[hub]\nsimulated = true"), root=tree.root))
    assert found == ["led-green", *MACHINE, "led-green-2", "led-white", "board-temperature"]


def test_what_is_configured_is_not_found_once_more(tree: Tree) -> None:
    tree.led("led0", most=1)
    tree.led("led1", most=1)
    tree.chip(0, "coretemp", temp1_input="45000", temp1_label="Package", temp2_input="46000")
    settings = parse(
        """
        [[devices]]
        id = "lamp"
        driver = "led"
        source = "led0"
        [[devices]]
        id = "package"
        driver = "hwmon"
        source = "coretemp/Package"
        """
    )
    found = names(discover(settings, root=tree.root))
    assert found == ["lamp", "package", "led1", "coretemp-temp2", *MACHINE]


def test_the_root_comes_from_the_settings(tree: Tree) -> None:
    tree.led("led0", most=1)
    settings = parse(f'[hub]\nroot = "{tree.root}"')
    assert "led0" in names(discover(settings))


def test_an_unknown_driver_is_named(tree: Tree) -> None:
    with pytest.raises(ConfigError) as caught:
        discover(parse('[[devices]]\nid = "t"\ndriver = "lde"', "board.toml"), root=tree.root)
    assert str(caught.value) == (
        "board.toml: devices[0].driver: expected one of led, hwmon, thermal, machine, simulated, "
        'got "lde"'
    )


PACKAGE = """
from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, Kind

class Relay(Driver):
    def __init__(self, device):
        self.devices = (device,)
        self.on = False

    @classmethod
    def configured(cls, entries, root):
        for entry in entries:
            if "line" not in entry.settings.options:
                raise entry.error("options.line", "missing")
        return [cls(entry.device(Kind.SWITCH)) for entry in entries]

    @classmethod
    def discovered(cls, root):
        return [cls(Device("relay", "Relay", Kind.SWITCH))]

    async def read(self, device):
        return self.on

    async def write(self, device, value):
        self.on = value

class Broken(Relay):
    @classmethod
    def configured(cls, entries, root):
        raise RuntimeError("no bus")

    @classmethod
    def discovered(cls, root):
        raise RuntimeError("no bus")

class Other:
    pass
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[None]:
    """An installed package of a third party that brings drivers."""
    folder = tmp_path / "packages"
    information = folder / "relays-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "relays_for_test.py").write_text(PACKAGE)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: relays\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[tether.drivers]\n"
        "relay = relays_for_test:Relay\n"
        "broken = relays_for_test:Broken\n"
        "other = relays_for_test:Other\n"
        "missing = relays_for_test:Missing\n"
        "led = relays_for_test:Relay\n"
    )
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("relays_for_test", None)


@pytest.mark.usefixtures("package")
def test_other_packages_bring_drivers(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="tether.hub"):
        drivers = available()
        found = names(discover(parse(""), root=tree.root))
    assert drivers.keys() >= {"relay", "broken", "led", "machine"}
    assert "other" not in drivers
    assert "missing" not in drivers
    assert drivers["led"].__module__ == "tether.hub.devices.led"
    # one that fails to look around keeps nobody else from being found
    assert "relay" in found
    assert "machine-cpu" in found
    assert "a driver failed to look around" in caplog.text


@pytest.mark.usefixtures("package")
def test_a_table_for_another_packages_driver(tree: Tree) -> None:
    table = '[[devices]]\nid = "pump"\ndriver = "{}"\n'
    settings = parse(table.format("relay") + "[devices.options]\nline = 3")
    assert names(discover(settings, root=tree.root))[0] == "pump"
    with pytest.raises(ConfigError, match=r"devices\[0\]\.options\.line: missing"):
        discover(parse(table.format("relay")), root=tree.root)
    with pytest.raises(ConfigError, match=r"devices\[0\]\.driver: broken failed to start: no bus"):
        discover(parse(table.format("broken")), root=tree.root)


def test_a_device_says_where_it_is(tree: Tree) -> None:
    tree.led("led0")
    (driver,) = [d for d in discover(parse(""), root=tree.root) if names([d]) == ["led0"]]
    device: Device = driver.devices[0]
    assert device.kind is Kind.LIGHT
    assert device.address == str((tree.root / "class/leds/led0").resolve())
