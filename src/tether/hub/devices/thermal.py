# Thermal zones of /sys/class/thermal, found by their type.
# Must not know hwmon, which may show the same chip once more.
"""The driver `thermal`: temperatures of the kernel's thermal zones."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from tether.hub.devices import sysfs
from tether.hub.devices.driver import BlockingDriver, Driver, Entry, default_expiry
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value

INTERVAL = 2.0
"""Seconds between two readings of a temperature."""

COLDEST, HOTTEST = -273_150, 1_000_000
"""Readings outside of these millidegrees are a chip's way to say that it has none."""


def degrees(millidegrees: int) -> float:
    """Degrees Celsius. Raises DeviceUnavailable for what cannot be a temperature.

    >>> degrees(45125)
    45.125
    """
    if not COLDEST <= millidegrees <= HOTTEST:
        raise DeviceUnavailable(f"the chip says {millidegrees / 1000:g} °C, which is no reading")
    return millidegrees / 1000


class ThermalZone(BlockingDriver):
    """One thermal zone. Its number may change from boot to boot, its type does not.

    `source` is the zone's type (`cpu-thermal`), or `thermal_zone2` where two are of one type.
    """

    def __init__(self, device: Device, source: str, root: Path) -> None:
        super().__init__(f"thermal {source}")
        self.devices = (device,)
        self.source = source
        self.root = root
        with contextlib.suppress(DeviceUnavailable):
            device.address = str(self._zone().resolve())

    @classmethod
    def configured(cls, entries: Sequence[Entry], root: Path) -> Sequence[Driver]:
        """One zone per table."""
        drivers = []
        for entry in entries:
            source = entry.settings.source
            if not source:
                raise entry.error("source", 'missing: the zone\'s type, like "cpu-thermal"')
            device = entry.sensor("temperature", "°C", interval=INTERVAL)
            drivers.append(cls(device, source, root))
        return drivers

    @classmethod
    def discovered(cls, root: Path) -> Sequence[Driver]:
        """Every zone that has a temperature."""
        zones = [zone for zone in zones_in(root) if (zone / "temp").exists()]
        kinds = [sysfs.read_word(zone / "type", zone.name) for zone in zones]
        drivers = []
        for zone, kind in zip(zones, kinds, strict=True):
            device = Device(
                sysfs.identifier("thermal", kind),
                kind,
                Kind.SENSOR,
                unit="°C",
                device_class="temperature",
                interval=INTERVAL,
                expire_after=default_expiry(INTERVAL),
            )
            drivers.append(cls(device, kind if kinds.count(kind) == 1 else zone.name, root))
        return drivers

    def read_now(self, device: Device) -> Value:
        """The zone's temperature in °C."""
        return degrees(sysfs.read_number(self._zone() / "temp"))

    def _zone(self) -> Path:
        zones = zones_in(self.root)
        for zone in zones:
            if zone.name == self.source:
                return zone
        found = [zone for zone in zones if sysfs.read_word(zone / "type") == self.source]
        if len(found) == 1:
            return found[0]
        if not found:
            raise DeviceUnavailable(f"there is no thermal zone {self.source}")
        names = ", ".join(zone.name for zone in found)
        raise DeviceUnavailable(f"several thermal zones are of type {self.source}: {names}")


def zones_in(root: Path) -> list[Path]:
    """The folders of all thermal zones."""
    return sysfs.entries(root / "class" / "thermal", "thermal_zone[0-9]*")
