# Which drivers a hub has: those the configuration names, and what the machine has besides.
# Must not know how any driver works.
"""Discovery: `discover(settings)` gives the drivers, configured ones first."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from tether.config.settings import ConfigError, Settings
from tether.hub.devices.driver import ENTRY_POINTS, Driver, Entry
from tether.hub.devices.hwmon import HwmonChip
from tether.hub.devices.led import Led
from tether.hub.devices.machine import Machine
from tether.hub.devices.simulated import SimulatedBoard
from tether.hub.devices.thermal import ThermalZone

logger = logging.getLogger("tether.hub")

BUILT_IN: Mapping[str, type[Driver]] = {
    "led": Led,
    "hwmon": HwmonChip,
    "thermal": ThermalZone,
    "machine": Machine,
    "simulated": SimulatedBoard,
}
"""The drivers that come with tether, by the word that `driver` takes."""


def available() -> dict[str, type[Driver]]:
    """All drivers: those of tether, and those other packages put into `tether.drivers`.

    One that cannot be loaded is logged and left out; the words of tether's own cannot be taken.
    """
    found: dict[str, type[Driver]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
        except Exception:
            logger.exception("a driver cannot be loaded", extra={"driver": point.name})
            continue
        if isinstance(loaded, type) and issubclass(loaded, Driver):
            found[point.name] = loaded
        else:
            logger.error("this is no driver", extra={"driver": point.name, "is": point.value})
    return {**found, **BUILT_IN}


def discover(settings: Settings, *, root: str | Path | None = None) -> list[Driver]:
    """The drivers of a hub. `root` stands for `/sys` and replaces `settings.hub.root`.

    Where several devices would have one id, the later ones get a number. Raises ConfigError where
    a `[[devices]]` table is unfit.
    """
    base = Path(settings.hub.root if root is None else root)
    drivers = available()
    result = list(_configured(settings, drivers, base))
    if settings.hub.discover:
        taken = {device.address for driver in result for device in driver.devices}
        for name, kind in drivers.items():
            result += _found(name, kind, base, taken - {""})
    simulated = settings.hub.simulated
    if simulated == "auto":
        simulated = not any(device.writable for driver in result for device in driver.devices)
    if simulated and not any(isinstance(driver, SimulatedBoard) for driver in result):
        result.append(SimulatedBoard())
    _number(result)
    return result


def _configured(
    settings: Settings, drivers: Mapping[str, type[Driver]], root: Path
) -> list[Driver]:
    """A driver gets all its tables at once, so that it can see which share a bus."""
    tables: dict[str, list[Entry]] = {}
    for index, table in enumerate(settings.devices):
        entry = Entry(table, settings.source, index)
        if table.driver not in drivers:
            known = ", ".join(drivers)
            raise entry.error("driver", f'expected one of {known}, got "{table.driver}"')
        tables.setdefault(table.driver, []).append(entry)
    result: list[Driver] = []
    for name, entries in tables.items():
        try:
            result += drivers[name].configured(entries, root)
        except ConfigError:
            raise
        except Exception as error:
            logger.exception("a driver failed to start", extra={"driver": name})
            raise entries[0].error("driver", f"{name} failed to start: {error}") from error
    return result


def _found(name: str, kind: type[Driver], root: Path, taken: set[str]) -> Sequence[Driver]:
    """What a driver finds by itself, without the devices that the configuration has already."""
    try:
        drivers = list(kind.discovered(root))
    except Exception:
        # a machine with odd hardware still starts, with what the others find
        logger.exception("a driver failed to look around", extra={"driver": name})
        return ()
    for driver in drivers:
        driver.devices = tuple(one for one in driver.devices if one.address not in taken)
    return [driver for driver in drivers if driver.devices]


def _number(drivers: Sequence[Driver]) -> None:
    seen: set[str] = set()
    for driver in drivers:
        for device in driver.devices:
            name, number = device.id, 1
            while device.id in seen:
                number += 1
                device.id = f"{name}-{number}"
            seen.add(device.id)
