# What each device said in the last hour, in memory: a bounded ring per device.
# Must not know drivers, clients or timers; the hub hands it values, clients' sessions ask.
"""`History`: points of the past, and an honest word on whether they are all of them."""

from __future__ import annotations

import math
import time
from array import array
from dataclasses import dataclass

from tether.hub.devices.model import Device, Kind, Value

Point = tuple[float, Value | None]
"""Unix seconds and the value; None: the device was unavailable from then on."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What is known of one device from `start` (unix seconds) until now.

    `complete` says whether that is all the time that was asked for: it is false where recording
    began later or older points had to make room.
    """

    device: str
    complete: bool
    start: float
    points: list[Point]


class _Ring:
    """Stamps and values of one device, oldest first from `first`; 16 bytes a point."""

    __slots__ = ("count", "covered", "first", "stamps", "values")

    def __init__(self, covered: float) -> None:
        self.stamps = array("d")
        self.values = array("d")
        self.first = 0
        self.count = 0
        # from this moment on nothing is missing
        self.covered = covered

    def position(self, index: int) -> int:
        return (self.first + index) % len(self.stamps)

    def drop(self) -> None:
        self.first = self.position(1)
        self.count -= 1

    def grow(self, capacity: int) -> None:
        """Twice the room, as far as `capacity` goes: a board's memory is not taken in advance."""
        order = [self.position(index) for index in range(self.count)]
        room = min(capacity, max(64, 2 * len(self.stamps)))
        spare = [0.0] * (room - self.count)
        self.stamps = array("d", [*(self.stamps[at] for at in order), *spare])
        self.values = array("d", [*(self.values[at] for at in order), *spare])
        self.first = 0

    def add(self, stamp: float, value: float, capacity: int) -> None:
        if self.count == len(self.stamps):
            if self.count < capacity:
                self.grow(capacity)
            else:
                self.drop()
                self.covered = self.stamps[self.position(0)]
        at = self.position(self.count)
        self.stamps[at] = stamp
        self.values[at] = value
        self.count += 1


class History:
    """The last `seconds` of every device, at most `points` each. Used on the loop's thread only.

    Time is kept on the monotonic clock and told on the wall clock, so that points recorded before
    a board's clock was set stand where they belong afterwards.

    >>> history = History()
    >>> device = Device("cpu-temp", "CPU", Kind.SENSOR)
    >>> history.record(device, 41.5)
    >>> slice = history.query(device, 60)
    >>> slice.complete, [value for _, value in slice.points]
    (False, [41.5])
    """

    def __init__(self, *, seconds: float = 3600.0, points: int = 7200) -> None:
        self.seconds = seconds
        self.points = points
        self._rings: dict[str, _Ring] = {}

    def begin(self, device: Device, *, monotonic: float | None = None) -> None:
        """Recording begins now: from here on an empty stretch means that nothing was said."""
        self._ring(device, time.monotonic() if monotonic is None else monotonic)

    def record(
        self, device: Device, value: Value | None, *, monotonic: float | None = None
    ) -> None:
        """Add a point; None says that the device became unavailable, once however often told."""
        stamp = time.monotonic() if monotonic is None else monotonic
        ring = self._ring(device, stamp)
        if value is None and ring.count and math.isnan(ring.values[ring.position(ring.count - 1)]):
            return
        # what is too old to be asked for makes room, so that a slow device's ring stays small
        while ring.count and ring.stamps[ring.first] < stamp - self.seconds:
            ring.drop()
        ring.add(stamp, math.nan if value is None else float(value), self.points)

    def query(
        self, device: Device, seconds: float | None = None, *, monotonic: float | None = None
    ) -> Slice:
        """The last `seconds` of a device, all that is kept where None. Points oldest first."""
        now = time.monotonic() if monotonic is None else monotonic
        wanted = now - (self.seconds if seconds is None else max(0.0, seconds))
        ring = self._rings.get(device.id)
        wall = time.time() - time.monotonic()
        if ring is None:
            return Slice(device.id, False, now + wall, [])
        start = max(wanted, ring.covered, now - self.seconds)
        points: list[Point] = []
        for index in range(ring.count):
            at = ring.position(index)
            stamp = ring.stamps[at]
            if stamp >= start:
                points.append((round(stamp + wall, 3), _value(device, ring.values[at])))
        return Slice(device.id, start <= wanted, round(start + wall, 3), points)

    def _ring(self, device: Device, stamp: float) -> _Ring:
        ring = self._rings.get(device.id)
        if ring is None:
            ring = self._rings[device.id] = _Ring(stamp)
        return ring


def _value(device: Device, number: float) -> Value | None:
    """The value as the device said it: what the ring keeps is a float."""
    if math.isnan(number):
        return None
    if device.kind is Kind.SWITCH:
        return number != 0.0
    return int(number) if device.kind is Kind.LIGHT else number
