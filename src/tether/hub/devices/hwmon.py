# Temperatures of hwmon chips, found by the chip's name: numbers change from boot to boot.
# Must not know thermal zones, but for leaving out the chips the kernel makes of them.
"""The driver `hwmon`: temperatures of the chips in `/sys/class/hwmon`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tether.hub.devices import sysfs
from tether.hub.devices.driver import BlockingDriver, Driver, Entry, default_expiry
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value
from tether.hub.devices.thermal import INTERVAL, degrees


class HwmonChip(BlockingDriver):
    """One chip and its temperatures; `inputs` says which (`temp1`) each device is.

    `chip` is the chip's name (`coretemp`), the name of the device behind it (`coretemp.0`) or of
    its folder (`hwmon3`).
    """

    def __init__(self, chip: str, inputs: Mapping[Device, str], root: Path) -> None:
        super().__init__(f"hwmon {chip}")
        self.devices = tuple(inputs)
        self.chip = chip
        self.root = root
        self._inputs = dict(inputs)
        for device, sensor in inputs.items():
            with contextlib.suppress(DeviceUnavailable):
                device.address = str(self._find(sensor).resolve())

    @classmethod
    def configured(cls, entries: Sequence[Entry], root: Path) -> Sequence[Driver]:
        """`source` is `chip/temp1` or `chip/label`; tables of one chip share a driver."""
        chips: dict[str, dict[Device, str]] = {}
        for entry in entries:
            chip, slash, sensor = entry.settings.source.partition("/")
            if not (chip and slash and sensor):
                raise entry.error(
                    "source",
                    f'expected "chip/temp1" or "chip/label", got "{entry.settings.source}"',
                )
            device = entry.sensor("temperature", "°C", interval=INTERVAL)
            chips.setdefault(chip, {})[device] = sensor
        return [cls(chip, inputs, root) for chip, inputs in chips.items()]

    @classmethod
    def discovered(cls, root: Path) -> Sequence[Driver]:
        """Every chip with temperatures, without those that are thermal zones."""
        folders = [folder for folder in chips_in(root) if not behind(folder).startswith("thermal_")]
        names = [sysfs.read_word(folder / "name", folder.name) for folder in folders]
        drivers = []
        for folder, name in zip(folders, names, strict=True):
            # two disks are both called nvme: then the device behind tells them apart
            chip = name if names.count(name) == 1 else behind(folder) or folder.name
            inputs: dict[Device, str] = {}
            for path in inputs_in(folder):
                sensor = path.name.removesuffix("_input")
                label = sysfs.read_word(path.with_name(f"{sensor}_label"))
                words = [chip] if chip == name else [name, chip]
                device = Device(
                    sysfs.identifier(*words, label or sensor),
                    f"{' '.join(words)} {label or sensor}",
                    Kind.SENSOR,
                    unit="°C",
                    device_class="temperature",
                    interval=INTERVAL,
                    expire_after=default_expiry(INTERVAL),
                )
                inputs[device] = sensor
            if inputs:
                drivers.append(cls(chip, inputs, root))
        return drivers

    def read_now(self, device: Device) -> Value:
        """The temperature in °C."""
        path = self._find(self._inputs[device])
        sensor = path.name.removesuffix("_input")
        if sysfs.read_word(path.with_name(f"{sensor}_fault")) == "1":
            raise DeviceUnavailable(f"{self.chip}/{sensor} reports a fault of its sensor")
        return degrees(sysfs.read_number(path))

    def _find(self, sensor: str) -> Path:
        """The file of a sensor, by its number or its label; looked for at every reading.

        Chips come and go (a module is loaded again, a disk is unplugged) and change numbers.
        """
        folder = self._folder()
        paths = inputs_in(folder)
        for path in paths:
            if path.name == f"{sensor}_input":
                return path
        for path in paths:
            number = path.name.removesuffix("_input")
            if sysfs.read_word(path.with_name(f"{number}_label")) == sensor:
                return path
        raise DeviceUnavailable(f"{self.chip} has no temperature {sensor}")

    def _folder(self) -> Path:
        folders = chips_in(self.root)
        for folder in folders:
            if self.chip in (behind(folder), folder.name):
                return folder
        found = [folder for folder in folders if sysfs.read_word(folder / "name") == self.chip]
        if len(found) == 1:
            return found[0]
        if not found:
            raise DeviceUnavailable(f"there is no chip {self.chip}")
        names = ", ".join(behind(folder) or folder.name for folder in found)
        raise DeviceUnavailable(f"several chips are called {self.chip}: {names}")


def chips_in(root: Path) -> list[Path]:
    """The folders of all chips."""
    return sysfs.entries(root / "class" / "hwmon", "hwmon[0-9]*")


def inputs_in(folder: Path) -> list[Path]:
    """The temperature files of a chip; old drivers keep them with the device behind it."""
    for place in (folder, folder / "device"):
        found = [
            path
            for path in sysfs.entries(place, "temp*_input")
            if re.fullmatch(r"temp[0-9]+_input", path.name)
        ]
        if found:
            return found
    return []


def behind(folder: Path) -> str:
    """The name of the device a chip belongs to (`coretemp.0`, `nvme0`), "" where it has none."""
    link = folder / "device"
    return link.resolve().name if link.exists() else ""
