# What every machine can say of itself, through psutil: load, memory, disk, uptime.
# Must not know boards or chips: temperatures are the business of hwmon and thermal.
"""The driver `machine`: real readings of the machine this process runs on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tether.hub.devices import sysfs
from tether.hub.devices.driver import BlockingDriver, Driver, Entry, default_expiry
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value


@dataclass(frozen=True, slots=True)
class _Source:
    """What one reading is called, and how often it is worth a look (seconds)."""

    name: str
    unit: str
    device_class: str
    interval: float
    maximum: float | None = None


SOURCES: Mapping[str, _Source] = {
    "cpu": _Source("CPU load", "%", "", 2.0, 100),
    "memory": _Source("Memory used", "%", "", 5.0, 100),
    "disk": _Source("Disk used", "%", "", 30.0, 100),
    "uptime": _Source("Uptime", "s", "duration", 10.0),
}
"""The words `source` knows."""


class Machine(BlockingDriver):
    """Readings of this machine; `sources` says which each device is, `path` which disk.

    A disk is a driver of its own: a network file system that hangs delays no other reading.
    """

    def __init__(self, sources: Mapping[Device, str], path: str = "/") -> None:
        super().__init__("machine")
        self.devices = tuple(sources)
        self.path = path
        self._sources = dict(sources)
        self._looked = False
        for device, source in sources.items():
            device.address = f"machine/{source}" + (path if source == "disk" else "")

    @classmethod
    def configured(cls, entries: Sequence[Entry], root: Path) -> Sequence[Driver]:
        """`source` is cpu, memory, disk or uptime; `path` is a directory on the disk (`/`)."""
        shared: dict[Device, str] = {}
        drivers: list[Driver] = []
        for entry in entries:
            source = entry.settings.source
            if source not in SOURCES:
                words = ", ".join(SOURCES)
                raise entry.error("source", f'expected one of {words}, got "{source}"')
            what = SOURCES[source]
            device = entry.sensor(
                what.device_class,
                what.unit,
                interval=what.interval,
                minimum=0,
                maximum=what.maximum,
            )
            if source == "disk":
                drivers.append(cls({device: source}, entry.settings.path or "/"))
            else:
                shared[device] = source
        if shared:
            drivers.append(cls(shared))
        return drivers

    @classmethod
    def discovered(cls, root: Path) -> Sequence[Driver]:
        """All readings of this machine; `root` does not matter to it."""
        devices = {
            source: Device(
                sysfs.identifier("machine", source),
                what.name,
                Kind.SENSOR,
                unit=what.unit,
                device_class=what.device_class,
                interval=what.interval,
                expire_after=default_expiry(what.interval),
                minimum=0,
                maximum=what.maximum,
            )
            for source, what in SOURCES.items()
        }
        disk = devices.pop("disk")
        shared = {device: source for source, device in devices.items()}
        return [cls(shared), cls({disk: "disk"})]

    def read_now(self, device: Device) -> Value:
        """The reading. Raises DeviceUnavailable."""
        try:
            match self._sources[device]:
                case "cpu":
                    return self._load()
                case "memory":
                    return float(psutil.virtual_memory().percent)
                case "disk":
                    return float(psutil.disk_usage(self.path).percent)
                case _:
                    return round(time.time() - psutil.boot_time())
        except OSError as error:
            raise DeviceUnavailable(f"{self.path}: {error.strerror or error}".lower()) from None
        except psutil.Error as error:
            raise DeviceUnavailable(str(error)) from None

    def _load(self) -> float:
        """Load since the last look; the first time there is none to compare with, so a while."""
        interval = None if self._looked else 0.2
        self._looked = True
        return float(psutil.cpu_percent(interval=interval))
