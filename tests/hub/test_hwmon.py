"""The hwmon driver, on a tree of files."""

from __future__ import annotations

import asyncio

import pytest

from tests.hub.sysfs_tree import Tree, fail_with_eio
from tether.config.settings import ConfigError, parse
from tether.hub.devices.discovery import discover
from tether.hub.devices.hwmon import HwmonChip
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value


def chip(tree: Tree, name: str, sensor: str) -> HwmonChip:
    return HwmonChip(name, {Device("t", "t", Kind.SENSOR): sensor}, tree.root)


def read(driver: HwmonChip, index: int = 0) -> Value:
    return asyncio.run(driver.read(driver.devices[index]))


def found(tree: Tree) -> dict[str, Value]:
    drivers = HwmonChip.discovered(tree.root)
    return {
        device.id: asyncio.run(driver.read(device))
        for driver in drivers
        for device in driver.devices
    }


def test_by_number_and_by_label(tree: Tree) -> None:
    tree.chip(3, "coretemp", temp1_input="45000\n", temp2_input="-1500", temp2_label="Core 0\n")
    assert read(chip(tree, "coretemp", "temp1")) == 45.0
    assert read(chip(tree, "coretemp", "Core 0")) == -1.5
    with pytest.raises(DeviceUnavailable, match="coretemp has no temperature temp9"):
        read(chip(tree, "coretemp", "temp9"))


def test_the_number_of_a_chip_may_change(tree: Tree) -> None:
    folder = tree.chip(0, "coretemp", temp1_input="45000")
    driver = chip(tree, "coretemp", "temp1")
    assert read(driver) == 45.0
    folder.rename(folder.with_name("hwmon12"))
    tree.chip(0, "nvme", temp1_input="30000")
    assert read(driver) == 45.0


def test_files_that_vanish_and_come_back(tree: Tree) -> None:
    folder = tree.chip(0, "coretemp", temp1_input="45000", temp2_input="46000")
    driver = chip(tree, "coretemp", "temp1")
    (folder / "temp1_input").unlink()
    with pytest.raises(DeviceUnavailable, match="no temperature temp1"):
        read(driver)
    folder.rename(tree.root / "gone")
    with pytest.raises(DeviceUnavailable, match="there is no chip coretemp"):
        read(driver)
    tree.chip(0, "coretemp", temp1_input="47000")
    assert read(driver) == 47.0


def test_an_input_output_error(tree: Tree) -> None:
    folder = tree.chip(0, "lm75", temp1_input="45000")
    fail_with_eio(folder / "temp1_input")
    with pytest.raises(DeviceUnavailable, match="input/output error"):
        read(chip(tree, "lm75", "temp1"))


def test_a_sensor_that_reports_its_own_fault(tree: Tree) -> None:
    folder = tree.chip(0, "lm90", temp1_input="127000", temp1_fault="1\n")
    with pytest.raises(DeviceUnavailable, match="fault"):
        read(chip(tree, "lm90", "temp1"))
    (folder / "temp1_fault").write_text("0\n")
    assert read(chip(tree, "lm90", "temp1")) == 127.0


@pytest.mark.parametrize("content", ["", "hot", "-300000", "9" * 25])
def test_what_is_no_temperature(tree: Tree, content: str) -> None:
    tree.chip(0, "lm75", temp1_input=content)
    with pytest.raises(DeviceUnavailable):
        read(chip(tree, "lm75", "temp1"))


def test_two_chips_of_one_name_are_told_apart_by_what_is_behind_them(tree: Tree) -> None:
    tree.chip(0, "nvme", behind="nvme0", temp1_input="30000", temp1_label="Composite")
    tree.chip(1, "nvme", behind="nvme1", temp1_input="50000", temp1_label="Composite")
    with pytest.raises(DeviceUnavailable, match="several chips are called nvme: nvme0, nvme1"):
        read(chip(tree, "nvme", "temp1"))
    assert read(chip(tree, "nvme1", "temp1")) == 50.0
    assert found(tree) == {"nvme-nvme0-composite": 30.0, "nvme-nvme1-composite": 50.0}


def test_discovery_finds_every_temperature_and_nothing_else(tree: Tree) -> None:
    tree.chip(0, "coretemp", temp1_input="40000", temp10_input="41000", temp2_input="42000",
              temp2_max="90000", fan1_input="1200", in0_input="900", tempx_input="1")  # fmt: skip
    tree.chip(1, "fan_only", fan1_input="900")
    assert found(tree) == {"coretemp-temp1": 40.0, "coretemp-temp2": 42.0, "coretemp-temp10": 41.0}


def test_a_chip_that_is_a_thermal_zone_is_shown_once(tree: Tree) -> None:
    tree.zone(0, "cpu-thermal", "40000")
    tree.chip(0, "cpu_thermal", behind="thermal_zone0", temp1_input="40000")
    tree.chip(1, "rp1_adc", temp1_input="50000")
    settings = parse("[hub]\nsimulated = false")
    names = [one.id for driver in discover(settings, root=tree.root) for one in driver.devices]
    assert [name for name in names if not name.startswith("machine")] == [
        "rp1_adc-temp1",
        "thermal-cpu-thermal",
    ]


def test_old_drivers_keep_their_files_behind_the_chip(tree: Tree) -> None:
    tree.chip(0, "old", behind="0-0048")
    tree.put("devices/0-0048/temp1_input", "21500")
    assert found(tree) == {"old-temp1": 21.5}


def test_tables_of_one_chip_share_a_driver(tree: Tree) -> None:
    tree.chip(0, "coretemp", temp1_input="45000", temp2_input="46000", temp2_label="Core 0")
    settings = parse(
        """
        [hub]
        discover = false
        simulated = false
        [[devices]]
        id = "package"
        driver = "hwmon"
        source = "coretemp/temp1"
        interval = 1
        [[devices]]
        id = "core"
        driver = "hwmon"
        source = "coretemp/Core 0"
        """
    )
    (driver,) = discover(settings, root=tree.root)
    assert isinstance(driver, HwmonChip)
    assert [device.id for device in driver.devices] == ["package", "core"]
    assert [read(driver, 0), read(driver, 1)] == [45.0, 46.0]
    assert (driver.devices[0].interval, driver.devices[0].expire_after) == (1.0, 10.0)


@pytest.mark.parametrize("source", ["", "coretemp", "coretemp/", "/temp1"])
def test_a_table_whose_source_is_unfit(tree: Tree, source: str) -> None:
    table = f'[[devices]]\nid = "t"\ndriver = "hwmon"\nsource = "{source}"'
    with pytest.raises(ConfigError, match=r"devices\[0\]\.source: expected"):
        discover(parse(table), root=tree.root)
