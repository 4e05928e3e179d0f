"""The machine driver gives real readings of the machine the tests run on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tether.config.settings import ConfigError, parse
from tether.hub.devices.discovery import discover
from tether.hub.devices.machine import Machine
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value


def readings(*drivers: Machine) -> dict[str, Value]:
    async def read() -> dict[str, Value]:
        return {
            device.id: await driver.read(device) for driver in drivers for device in driver.devices
        }

    return asyncio.run(read())


def test_every_machine_has_these() -> None:
    drivers = [driver for driver in Machine.discovered(Path("/")) if isinstance(driver, Machine)]
    values = readings(*drivers)
    assert values.keys() == {"machine-cpu", "machine-memory", "machine-disk", "machine-uptime"}
    for name in ("machine-cpu", "machine-memory", "machine-disk"):
        assert isinstance(values[name], float)
        assert 0 <= values[name] <= 100
    assert values["machine-memory"] > 0
    uptime = Path("/proc/uptime").read_text().split()[0]
    assert abs(values["machine-uptime"] - float(uptime)) < 5
    assert not any(device.simulated for driver in drivers for device in driver.devices)


def test_a_disk_is_a_driver_of_its_own() -> None:
    drivers = Machine.discovered(Path("/"))
    assert [[device.id for device in driver.devices] for driver in drivers] == [
        ["machine-cpu", "machine-memory", "machine-uptime"],
        ["machine-disk"],
    ]


def test_the_first_load_is_measured_over_a_while_and_the_next_since_then() -> None:
    driver = Machine({Device("cpu", "CPU", Kind.SENSOR): "cpu"})
    took = []
    for _ in range(2):
        began = time.monotonic()
        (value,) = readings(driver).values()
        took.append(time.monotonic() - began)
        assert 0.0 <= value <= 100.0
    # with nothing to compare with, the first one would say 0 whatever the load
    assert took[0] >= 0.2
    assert took[1] < took[0]


def test_a_disk_that_is_not_there(tmp_path: Path) -> None:
    device = Device("disk", "Disk", Kind.SENSOR)
    driver = Machine({device: "disk"}, str(tmp_path / "missing"))
    with pytest.raises(DeviceUnavailable, match="missing: no such file or directory"):
        readings(driver)


def test_tables(tmp_path: Path) -> None:
    settings = parse(
        f"""
        [hub]
        simulated = false
        [[devices]]
        id = "load"
        driver = "machine"
        source = "cpu"
        [[devices]]
        id = "data"
        driver = "machine"
        source = "disk"
        path = "{tmp_path}"
        """
    )
    drivers = [one for one in discover(settings, root=tmp_path) if isinstance(one, Machine)]
    names = [device.id for driver in drivers for device in driver.devices]
    # what the configuration has is not found a second time; the disk of / is another one
    assert names == ["data", "load", "machine-memory", "machine-uptime", "machine-disk"]


def test_a_table_whose_source_is_unknown(tmp_path: Path) -> None:
    table = '[[devices]]\nid = "t"\ndriver = "machine"\nsource = "gpu"'
    with pytest.raises(ConfigError) as caught:
        discover(parse(table), root=tmp_path)
    assert str(caught.value) == (
        'tether.toml: devices[0].source: expected one of cpu, memory, disk, uptime, got "gpu"'
    )
