# What a device is: its identity, its limits, and its state with the age of its value.
# Failures of a device live here too. Must not know drivers, the registry, clients or the loop.
"""The model of a device: `Kind`, `Status`, `State`, `Device`, and the ways one can fail."""

from __future__ import annotations

import enum
import math
import re
import time
from dataclasses import dataclass

Value = float | int | bool
"""What a device can say: a sensor a number, a switch a bool, a light 0 to 100 (percent)."""

IDENTIFIER = re.compile(r"[a-z0-9_-]+")
"""The form of a device's id."""

ID_LENGTH = 64
"""Longest id of a device, in characters."""


class Kind(enum.StrEnum):
    """What can be done with a device.

    >>> Kind("light")
    <Kind.LIGHT: 'light'>
    """

    SENSOR = "sensor"
    """Can only be read; its value is a number."""
    SWITCH = "switch"
    """On or off; its value is a bool."""
    LIGHT = "light"
    """Can be dimmed; its value is an int from 0 to 100, in percent."""


class Status(enum.StrEnum):
    """How far a device's value can be believed.

    >>> str(Status.UNAVAILABLE)
    'unavailable'
    """

    OK = "ok"
    """The value is what the hardware said, no longer than `expire_after` ago."""
    UNKNOWN = "unknown"
    """The device was never read."""
    UNAVAILABLE = "unavailable"
    """The device cannot be reached, or its last value is too old."""


class DeviceError(Exception):
    """What went wrong with a device; `code` is the error code of the wire protocol."""

    code = "failed"


class DeviceUnavailable(DeviceError):
    """The hardware cannot be reached; the message says why in a person's words."""

    code = "unavailable"


class UnknownDevice(DeviceError):
    """There is no device of that id."""

    code = "unknown_device"


class NotWritable(DeviceError):
    """The device can only be read."""

    code = "not_writable"


class OutOfRange(DeviceError, ValueError):
    """The value is of the right type and outside what the device takes."""

    code = "out_of_range"


class WrongType(DeviceError, TypeError):
    """The value is of a type that the device does not take."""

    code = "bad_request"


class Busy(DeviceError):
    """Too many commands wait for the device already."""

    code = "busy"


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a device at one moment.

    `value` is None unless `status` is ok. `time` is when the last good value was read, in unix
    seconds, 0.0 when there never was one. `reason` says why the device is unavailable.
    """

    value: Value | None
    status: Status
    time: float
    reason: str = ""


NEVER = State(None, Status.UNKNOWN, 0.0)
"""The state of a device that was never read."""


class Device:
    """One sensor or actuator and its state. Only the registry changes the state.

    `interval` is the time between two readings and `expire_after` the age at which a value no
    longer counts, both in seconds (`expire_after` None: never). `minimum` and `maximum` are the
    ends of the scale, in `unit`, None where there is none. `device_class` is the word Home
    Assistant uses (`temperature`, `light` ...). Raises ValueError where an argument is unfit.

    >>> lamp = Device("led-green", "Green LED", Kind.SWITCH, interval=5.0)
    >>> lamp.writable, lamp.state().status
    (True, <Status.UNKNOWN: 'unknown'>)
    """

    __slots__ = (
        "_stamp",
        "_state",
        "address",
        "device_class",
        "expire_after",
        "id",
        "interval",
        "kind",
        "maximum",
        "minimum",
        "name",
        "simulated",
        "unit",
    )

    def __init__(
        self,
        id: str,  # noqa: A002
        name: str,
        kind: Kind,
        *,
        unit: str = "",
        device_class: str = "",
        simulated: bool = False,
        interval: float = 2.0,
        expire_after: float | None = None,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> None:
        if IDENTIFIER.fullmatch(id) is None or len(id) > ID_LENGTH:
            raise ValueError(f"a device's id is 1 to {ID_LENGTH} of a-z, 0-9, _ and -, not {id!r}")
        if not interval > 0 or not math.isfinite(interval):
            raise ValueError(f"interval of {id} must be more than 0 seconds, not {interval!r}")
        if expire_after is not None and not expire_after > 0:
            raise ValueError(f"expire_after of {id} must be more than 0, not {expire_after!r}")
        if kind is Kind.LIGHT:
            minimum, maximum, unit = 0, 100, unit or "%"
        self.id = id
        self.name = name or id
        self.kind = kind
        self.unit = unit
        self.device_class = device_class
        self.simulated = simulated
        self.interval = interval
        self.expire_after = expire_after
        self.minimum = minimum
        self.maximum = maximum
        self.address = ""
        """Which hardware it is (a path); two devices of one address are the same thing."""
        self._state = NEVER
        self._stamp = 0.0

    def __repr__(self) -> str:
        return f"<Device {self.id} {self._state.status} {self._state.value!r}>"

    @property
    def writable(self) -> bool:
        """Whether commands can be sent to it: true of switches and lights."""
        return self.kind is not Kind.SENSOR

    def state(self, *, monotonic: float | None = None) -> State:
        """The state now, expiry applied: a value older than `expire_after` is unavailable.

        Age is measured on the monotonic clock, so that a board whose wall clock is set late does
        not lose its values; `monotonic` is the moment to ask for, by default `time.monotonic()`.
        """
        state = self._state
        if state.status is not Status.OK:
            return state
        if self.expire_after is not None:
            now = time.monotonic() if monotonic is None else monotonic
            if now - self._stamp >= self.expire_after:
                reason = f"no reading for {self.expire_after:g} s"
                return State(None, Status.UNAVAILABLE, state.time, reason)
        return state

    @property
    def last_recorded(self) -> State:
        """The state as it was last published, expiry not applied."""
        return self._state

    def expires_in(self, *, monotonic: float | None = None) -> float | None:
        """Seconds until the value expires, 0.0 when it did; None when nothing is going to."""
        if self._state.status is not Status.OK or self.expire_after is None:
            return None
        now = time.monotonic() if monotonic is None else monotonic
        return max(0.0, self._stamp + self.expire_after - now)

    def check(self, value: object) -> Value:
        """The value, if a command may carry it to this device.

        Raises NotWritable, WrongType or OutOfRange.

        >>> Device("lamp", "Lamp", Kind.LIGHT).check(101)
        Traceback (most recent call last):
        ...
        tether.hub.devices.model.OutOfRange: lamp takes 0 to 100, not 101
        """
        if self.kind is Kind.SENSOR:
            raise NotWritable(f"{self.id} can only be read")
        if self.kind is Kind.SWITCH:
            if not isinstance(value, bool):
                raise WrongType(f"{self.id} takes true or false, not {_shown(value)}")
            return value
        # bool is an int in Python; true is not 1 % here
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongType(f"{self.id} takes a whole number from 0 to 100, not {_shown(value)}")
        if not 0 <= value <= 100:
            raise OutOfRange(f"{self.id} takes 0 to 100, not {_shown(value)}")
        return value

    def record(self, value: Value, *, time: float, monotonic: float) -> None:
        """Take a value that was just read. For the registry alone.

        Raises DeviceUnavailable where the value is not one such a device can have.
        """
        if isinstance(value, float) and not math.isfinite(value):
            raise DeviceUnavailable("the reading is not a number")
        fit = isinstance(value, _VALUES[self.kind])
        # bool is an int in Python
        if not fit or (isinstance(value, bool) and self.kind is not Kind.SWITCH):
            raise DeviceUnavailable(f"the driver gave {_shown(value)} for a {self.kind}")
        self._state = State(value, Status.OK, time)
        self._stamp = monotonic

    def lose(self, reason: str) -> None:
        """Take note that it cannot be reached. For the registry alone."""
        self._state = State(None, Status.UNAVAILABLE, self._state.time, reason)


_VALUES: dict[Kind, type | tuple[type, ...]] = {
    Kind.SENSOR: (int, float),
    Kind.SWITCH: bool,
    Kind.LIGHT: int,
}


def _shown(value: object) -> str:
    """A value in a message: short, whatever a client sent."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**15:
        return "a number of many digits"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= 40 else text[:37] + "..."
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
