# All devices of a hub, which driver reaches each, and who wants to hear of changes.
# The one place where a device's state changes. Must not know clients, timers or the loop.
"""The registry: devices by id, their drivers, their changes of state."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, DeviceUnavailable, Status, UnknownDevice, Value

logger = logging.getLogger("tether.hub")

Changed = Callable[[Device], object]


class Registry:
    """Every device of a hub, in the order they were added. Used on the loop's thread only.

    >>> from tether.hub.devices.simulated import SimulatedBoard
    >>> registry = Registry()
    >>> registry.add(SimulatedBoard())
    >>> heard = []
    >>> remove = registry.listen(lambda device: heard.append(device.id))
    >>> registry.publish(registry.get("led-green"), True)
    >>> remove()
    >>> registry.unavailable(registry.get("led-green"), "unplugged")
    >>> heard, registry.get("led-green").state().reason
    (['led-green'], 'unplugged')
    """

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._drivers: dict[str, Driver] = {}
        self._listeners: dict[object, Changed] = {}

    def add(self, driver: Driver) -> None:
        """Add the driver's devices. Raises ValueError where an id is taken; then none is added."""
        seen = set(self._devices)
        for device in driver.devices:
            if device.id in seen:
                raise ValueError(f"two devices are called {device.id}")
            seen.add(device.id)
        for device in driver.devices:
            self._devices[device.id] = device
            self._drivers[device.id] = driver

    def get(self, id: str) -> Device:  # noqa: A002
        """The device of that id. Raises UnknownDevice."""
        try:
            return self._devices[id]
        except KeyError:
            raise UnknownDevice(f"there is no device called {id[:80]!r}") from None

    def driver(self, device: Device) -> Driver:
        """The driver that reaches the device."""
        return self._drivers[device.id]

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, in the order they were added."""
        return tuple(self._devices.values())

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """All drivers, each once."""
        return tuple(dict.fromkeys(self._drivers.values()))

    def publish(self, device: Device, value: Value) -> None:
        """Record a value read from the hardware this moment, and tell the listeners.

        They are told of every reading, of one that did not change too: its age did. A value the
        device cannot have (not a number, a bool from a sensor) makes it unavailable instead.
        """
        before = device.last_recorded.status
        try:
            device.record(value, time=time.time(), monotonic=time.monotonic())
        except DeviceUnavailable as error:
            self.unavailable(device, str(error))
            return
        if before is Status.UNAVAILABLE:
            logger.info("device is back", extra={"device": device.id})
        self._tell(device)

    def unavailable(self, device: Device, reason: str) -> None:
        """Record that the device cannot be reached, and tell the listeners if that is news."""
        known = device.last_recorded
        if known.status is Status.UNAVAILABLE and known.reason == reason:
            return
        device.lose(reason)
        if known.status is not Status.UNAVAILABLE:
            logger.warning("device is unavailable", extra={"device": device.id, "reason": reason})
        self._tell(device)

    def expire(self, device: Device) -> bool:
        """Tell the listeners if the value is too old by now; returns whether it was."""
        state = device.state()
        if state.status is Status.UNAVAILABLE and device.last_recorded.status is Status.OK:
            self.unavailable(device, state.reason)
            return True
        return False

    def listen(self, callback: Changed) -> Callable[[], None]:
        """Call `callback(device)` whenever a device's state was published, until it is removed.

        Returns the function that removes it; removing twice is allowed, in a callback too, and a
        removed callback is not called any more. What it raises is logged and stops nobody else.
        """
        key = object()
        self._listeners[key] = callback

        def remove() -> None:
            self._listeners.pop(key, None)

        return remove

    def _tell(self, device: Device) -> None:
        for key in tuple(self._listeners):
            callback = self._listeners.get(key)
            if callback is None:
                continue
            try:
                callback(device)
            except Exception:
                logger.exception("a listener failed", extra={"device": device.id})
