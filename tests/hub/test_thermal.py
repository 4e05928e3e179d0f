"""The thermal-zone driver, on a tree of files."""

from __future__ import annotations

import asyncio

import pytest

from tests.hub.sysfs_tree import Tree, fail_with_eio
from tether.config.settings import ConfigError, parse
from tether.hub.devices.discovery import discover
from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value
from tether.hub.devices.thermal import ThermalZone


def zone(tree: Tree, source: str) -> ThermalZone:
    return ThermalZone(Device("t", "t", Kind.SENSOR), source, tree.root)


def read(driver: Driver) -> Value:
    return asyncio.run(driver.read(driver.devices[0]))


def test_millidegrees_become_degrees(tree: Tree) -> None:
    tree.zone(0, "cpu-thermal", "45125\n")
    tree.zone(1, "outside", "-5500\n")
    assert read(zone(tree, "cpu-thermal")) == 45.125
    assert read(zone(tree, "outside")) == -5.5


@pytest.mark.parametrize("reading", ["-274000", "1000001", "2147483647"])
def test_a_reading_that_cannot_be_is_none(tree: Tree, reading: str) -> None:
    tree.zone(0, "cpu-thermal", reading)
    with pytest.raises(DeviceUnavailable, match="which is no reading"):
        read(zone(tree, "cpu-thermal"))


def test_the_number_of_a_zone_may_change(tree: Tree) -> None:
    folder = tree.zone(0, "cpu-thermal", "40000")
    driver = zone(tree, "cpu-thermal")
    assert read(driver) == 40.0
    folder.rename(folder.with_name("thermal_zone7"))
    tree.zone(0, "gpu-thermal", "70000")
    assert read(driver) == 40.0


def test_a_zone_that_vanishes(tree: Tree) -> None:
    folder = tree.zone(0, "cpu-thermal", "40000")
    driver = zone(tree, "cpu-thermal")
    (folder / "temp").unlink()
    with pytest.raises(DeviceUnavailable, match="thermal_zone0/temp is gone"):
        read(driver)
    (folder / "type").unlink()
    with pytest.raises(DeviceUnavailable, match="there is no thermal zone cpu-thermal"):
        read(driver)


def test_an_input_output_error(tree: Tree) -> None:
    folder = tree.zone(0, "cpu-thermal", "40000")
    fail_with_eio(folder / "temp")
    with pytest.raises(DeviceUnavailable, match="input/output error"):
        read(zone(tree, "cpu-thermal"))


@pytest.mark.parametrize("content", ["", "hot", "4 5", "45.1"])
def test_garbage(tree: Tree, content: str) -> None:
    tree.zone(0, "cpu-thermal", content)
    with pytest.raises(DeviceUnavailable, match="no number"):
        read(zone(tree, "cpu-thermal"))


def test_two_zones_of_one_type_are_told_apart(tree: Tree) -> None:
    tree.zone(2, "acpitz", "20000")
    tree.zone(10, "acpitz", "30000")
    with pytest.raises(DeviceUnavailable, match=r"several .* thermal_zone2, thermal_zone10"):
        read(zone(tree, "acpitz"))
    assert read(zone(tree, "thermal_zone10")) == 30.0
    drivers = discover(parse("[hub]\nsimulated = false"), root=tree.root)
    zones = [driver for driver in drivers if isinstance(driver, ThermalZone)]
    assert [driver.devices[0].id for driver in zones] == ["thermal-acpitz", "thermal-acpitz-2"]
    assert [read(driver) for driver in zones] == [20.0, 30.0]


def test_a_table_without_source(tree: Tree) -> None:
    with pytest.raises(ConfigError, match=r"devices\[0\]\.source: missing"):
        discover(parse('[[devices]]\nid = "t"\ndriver = "thermal"'), root=tree.root)


def test_a_temperature_cannot_be_a_switch(tree: Tree) -> None:
    table = '[[devices]]\nid = "t"\ndriver = "thermal"\nsource = "x"\nkind = "switch"'
    with pytest.raises(ConfigError, match=r'devices\[0\]\.kind: expected "sensor", got "switch"'):
        discover(parse(table), root=tree.root)
