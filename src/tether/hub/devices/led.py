# LEDs of /sys/class/leds: triggers, brightness, and what the hardware made of it.
# Must not know who switches them.
"""The driver `led`: one LED of the kernel's LED class."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from tether.hub.devices import sysfs
from tether.hub.devices.driver import BlockingDriver, Driver, Entry, default_expiry
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value

logger = logging.getLogger("tether.hub")

INTERVAL = 5.0
"""Seconds between two looks at an LED that something else may switch too."""


class Led(BlockingDriver):
    """One LED in `root/class/leds`, as a switch (on, off) or a light (0 to 100 %).

    Before it is set, its trigger is set to `none`: with a trigger (heartbeat, mmc0 ...) the kernel
    would go on changing it. Percents are scaled to the LED's own `max_brightness`.
    """

    def __init__(self, device: Device, source: str, root: Path) -> None:
        super().__init__(f"led {source}")
        self.devices = (device,)
        self.folder = root / "class" / "leds" / source
        device.address = str(self.folder.resolve())

    @classmethod
    def configured(cls, entries: Sequence[Entry], root: Path) -> Sequence[Driver]:
        """One LED per table; `source` is its name in `/sys/class/leds`."""
        drivers = []
        for entry in entries:
            source = entry.settings.source
            if not source:
                raise entry.error("source", f"missing: the LED's name in {root}/class/leds")
            if "/" in source or "\0" in source or source in {".", ".."}:
                raise entry.error("source", f'expected the name of an LED, got "{source}"')
            if entry.settings.kind == "sensor":
                raise entry.error("kind", 'expected "switch" or "light", got "sensor"')
            kind = Kind(entry.settings.kind) if entry.settings.kind else _kind(root, source)
            device = entry.device(kind, device_class="light", interval=INTERVAL)
            drivers.append(cls(device, source, root))
        return drivers

    @classmethod
    def discovered(cls, root: Path) -> Sequence[Driver]:
        """Every LED that this user may switch."""
        drivers = []
        for folder in sysfs.entries(root / "class" / "leds"):
            brightness = folder / "brightness"
            if not brightness.exists():
                continue
            if not os.access(brightness, os.W_OK, effective_ids=True):
                # shown, it would be a switch that always fails
                logger.info("LED left out: this user may not set it", extra={"led": folder.name})
                continue
            named = sysfs.identifier(folder.name)
            device = Device(
                named if named.startswith("led") else sysfs.identifier("led", folder.name),
                folder.name,
                _kind(root, folder.name),
                device_class="light",
                interval=INTERVAL,
                expire_after=default_expiry(INTERVAL),
            )
            drivers.append(cls(device, folder.name, root))
        return drivers

    def read_now(self, device: Device) -> Value:
        """What the LED does, in the device's own terms."""
        level = sysfs.read_number(self.folder / "brightness")
        if device.kind is Kind.SWITCH:
            return level > 0
        return to_percent(level, self._most())

    def write_now(self, device: Device, value: Value) -> None:
        """Set trigger and brightness."""
        most = self._most()
        level = (most if value else 0) if device.kind is Kind.SWITCH else to_level(int(value), most)
        trigger = self.folder / "trigger"
        # an LED without triggers has no such file; the active one stands in brackets
        if trigger.exists() and "[none]" not in sysfs.read(trigger).split():
            sysfs.write(trigger, "none")
        sysfs.write(self.folder / "brightness", str(level))

    def settled(self, device: Device, wanted: Value, actual: Value) -> bool:
        """Whether the LED shows the step nearest to what was asked for."""
        if wanted == actual or device.kind is Kind.SWITCH:
            return wanted == actual
        try:
            most = self._most()
        except DeviceUnavailable:
            return False
        return to_level(int(wanted), most) == to_level(int(actual), most)

    def _most(self) -> int:
        most = sysfs.read_number(self.folder / "max_brightness")
        if most < 1:
            raise DeviceUnavailable(f"{self.folder.name}/max_brightness says {most}")
        return most


def to_level(percent: int, most: int) -> int:
    """The step of `most` nearest to a percentage; what is not off is never rounded to off.

    >>> to_level(50, 255), to_level(1, 15), to_level(0, 15)
    (128, 1, 0)
    """
    return 0 if percent <= 0 else max(1, (2 * percent * most + 100) // 200)


def to_percent(level: int, most: int) -> int:
    """The percentage nearest to a step; only off is 0.

    >>> to_percent(128, 255), to_percent(8, 15), to_percent(1, 255)
    (50, 53, 1)
    """
    return 0 if level <= 0 else min(100, max(1, (200 * level + most) // (2 * most)))


def _kind(root: Path, source: str) -> Kind:
    """A light where it has steps between off and full, else a switch."""
    try:
        most = sysfs.read_number(root / "class" / "leds" / source / "max_brightness")
    except DeviceUnavailable:
        return Kind.SWITCH
    return Kind.LIGHT if most > 1 else Kind.SWITCH
