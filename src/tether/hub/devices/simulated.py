# A board that is not there: two LEDs and a sensor that they warm, with inertia.
# Must not pass for real hardware: every device of it is marked simulated.
"""The driver `simulated`: a board to try everything on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tether.hub.devices.driver import Driver, Entry, default_expiry
from tether.hub.devices.model import Device, Kind, Value

AMBIENT = 22.0
"""°C around the board, on average."""

SWAY, PERIOD = 0.6, 300.0
"""The room warms and cools by so many °C, once in so many seconds."""

WARMTH = 14.0
"""°C that an LED adds at full power, once everything settled."""

INERTIA = 25.0
"""Seconds in which 63 % of a change is reached."""

INTERVAL = 1.0
"""Seconds between two readings."""

SOURCES: Mapping[str, Kind] = {
    "switch": Kind.SWITCH,
    "light": Kind.LIGHT,
    "temperature": Kind.SENSOR,
}
"""The words `source` knows."""


class SimulatedBoard(Driver):
    """A board with LEDs and a temperature sensor. `clock` tells seconds, for tests.

    >>> import asyncio
    >>> now = [0.0]
    >>> board = SimulatedBoard(clock=lambda: now[0])
    >>> led, light, sensor = board.devices
    >>> cold = asyncio.run(board.read(sensor))
    >>> asyncio.run(board.write(led, True))
    >>> now[0] = 60.0
    >>> asyncio.run(board.read(sensor)) > cold + 10
    True
    """

    def __init__(
        self,
        devices: Sequence[Device] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.devices = _board() if devices is None else tuple(devices)
        self._clock = clock
        self._values: dict[Device, bool | int] = {
            device: False if device.kind is Kind.SWITCH else 0
            for device in self.devices
            if device.writable
        }
        self._began = self._when = clock()
        self._temperature = AMBIENT

    @classmethod
    def configured(cls, entries: Sequence[Entry], root: Path) -> Sequence[Driver]:
        """`source` is switch, light or temperature; all tables together are one board."""
        devices = []
        for entry in entries:
            source = entry.settings.source
            if source not in SOURCES:
                words = ", ".join(SOURCES)
                raise entry.error("source", f'expected one of {words}, got "{source}"')
            if SOURCES[source] is Kind.SENSOR:
                device = entry.sensor("temperature", "°C", simulated=True, interval=INTERVAL)
            elif entry.settings.kind not in ("", source):
                raise entry.error("kind", f'expected "{source}", got "{entry.settings.kind}"')
            else:
                device = entry.device(
                    SOURCES[source], device_class="light", simulated=True, interval=INTERVAL
                )
            devices.append(device)
        return [cls(devices)]

    async def read(self, device: Device) -> Value:
        """What the board does at this moment."""
        if device in self._values:
            return self._values[device]
        return round(self._settle(), 2)

    async def write(self, device: Device, value: Value) -> None:
        """Switch an LED; what it did until now has warmed the sensor."""
        self._settle()
        self._values[device] = bool(value) if device.kind is Kind.SWITCH else int(value)

    def _settle(self) -> float:
        """The temperature now: what it was, drawn towards what the LEDs and the room make it."""
        now = self._clock()
        room = AMBIENT + SWAY * math.sin(2 * math.pi * (now - self._began) / PERIOD)
        power = sum(
            float(value) if device.kind is Kind.SWITCH else value / 100
            for device, value in self._values.items()
        )
        goal = room + WARMTH * power
        share = 1.0 - math.exp(-max(0.0, now - self._when) / INERTIA)
        self._temperature += (goal - self._temperature) * share
        self._when = now
        return self._temperature


def _board() -> tuple[Device, ...]:
    expire_after = default_expiry(INTERVAL)
    return (
        Device(
            "led-green",
            "Green LED",
            Kind.SWITCH,
            device_class="light",
            simulated=True,
            interval=INTERVAL,
            expire_after=expire_after,
        ),
        Device(
            "led-white",
            "White LED",
            Kind.LIGHT,
            device_class="light",
            simulated=True,
            interval=INTERVAL,
            expire_after=expire_after,
        ),
        Device(
            "board-temperature",
            "Board temperature",
            Kind.SENSOR,
            unit="°C",
            device_class="temperature",
            simulated=True,
            interval=INTERVAL,
            expire_after=expire_after,
        ),
    )
