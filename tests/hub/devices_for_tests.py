"""Drivers as a third party would write them, with the hardware's mood in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, Kind, Value
from tether.hub.devices.registry import Registry

Until = Callable[[Registry, Callable[[], bool]], Awaitable[None]]
"""The fixture that waits for a condition."""


class Lamp(Driver):
    """A switch that takes its time: nothing is written until `gate` is set."""

    def __init__(self, name: str = "lamp", *, interval: float = 60.0) -> None:
        self.device = Device(name, name, Kind.SWITCH, interval=interval)
        self.devices = (self.device,)
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.on = False
        self.reads = 0
        self.written: list[Value] = []
        self.busy = 0
        self.busiest = 0
        self.closed = False
        self.error: Exception | None = None

    async def read(self, device: Device) -> Value:
        self.reads += 1
        return self.on

    async def write(self, device: Device, value: Value) -> None:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        self.begun.set()
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            self.written.append(value)
            self.on = bool(value)
        finally:
            self.busy -= 1

    def close(self) -> None:
        self.closed = True


class Meter(Driver):
    """A sensor that counts its readings; while `gate` is clear a reading does not end."""

    def __init__(
        self, name: str = "meter", *, interval: float = 0.02, expire_after: float | None = None
    ) -> None:
        self.device = Device(
            name, name, Kind.SENSOR, unit="°C", interval=interval, expire_after=expire_after
        )
        self.devices = (self.device,)
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads = 0
        self.busy = 0
        self.busiest = 0
        self.error: Exception | None = None
        self.value: Value = 20.0

    async def read(self, device: Device) -> Value:
        self.reads += 1
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            return self.value
        finally:
            self.busy -= 1
