"""A device's state: unknown, ok, unavailable, and the age of its value."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tether.hub.devices.model import (
    Device,
    DeviceUnavailable,
    Kind,
    NotWritable,
    OutOfRange,
    State,
    Status,
    WrongType,
)


def sensor(**options: Any) -> Device:
    return Device("cpu-temp", "CPU", Kind.SENSOR, unit="°C", **options)


def test_never_read_is_unknown_not_unavailable() -> None:
    assert sensor(expire_after=1).state(monotonic=1e9) == State(None, Status.UNKNOWN, 0.0)


def test_a_value_expires_by_the_monotonic_clock() -> None:
    device = sensor(expire_after=10.0)
    # the wall clock of a board may be years off; it does not count for the age
    device.record(41.5, time=1.0, monotonic=100.0)
    assert device.state(monotonic=109.9) == State(41.5, Status.OK, 1.0)
    assert device.expires_in(monotonic=104.0) == 6.0
    expired = device.state(monotonic=110.0)
    assert expired == State(None, Status.UNAVAILABLE, 1.0, "no reading for 10 s")
    assert device.expires_in(monotonic=111.0) == 0.0


def test_a_value_without_expiry_stays() -> None:
    device = sensor()
    device.record(41.5, time=1.0, monotonic=100.0)
    assert device.state(monotonic=1e9).status is Status.OK
    assert device.expires_in() is None


def test_unavailable_keeps_the_time_and_not_the_value() -> None:
    device = sensor()
    device.record(41.5, time=123.0, monotonic=0.0)
    device.lose("unplugged")
    assert device.state() == State(None, Status.UNAVAILABLE, 123.0, "unplugged")
    assert device.expires_in() is None
    device.record(42.0, time=125.0, monotonic=2.0)
    assert device.state() == State(42.0, Status.OK, 125.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "41", None])
def test_what_is_no_reading_of_a_sensor_is_not_taken(value: Any) -> None:
    device = sensor()
    with pytest.raises(DeviceUnavailable):
        device.record(value, time=1.0, monotonic=0.0)
    assert device.state().status is Status.UNKNOWN


@pytest.mark.parametrize("value", [1, 0.0])
def test_a_switch_says_true_or_false_only(value: Any) -> None:
    with pytest.raises(DeviceUnavailable):
        Device("led", "LED", Kind.SWITCH).record(value, time=1.0, monotonic=0.0)


SWITCH = Device("led", "LED", Kind.SWITCH)
LIGHT = Device("lamp", "Lamp", Kind.LIGHT)


@pytest.mark.parametrize(
    ("device", "value"), [(SWITCH, True), (SWITCH, False), (LIGHT, 0), (LIGHT, 1), (LIGHT, 100)]
)
def test_what_a_command_may_carry(device: Device, value: object) -> None:
    assert device.check(value) is value


@pytest.mark.parametrize(
    ("device", "value", "error", "code"),
    [
        (SWITCH, 1, WrongType, "bad_request"),
        (SWITCH, "on", WrongType, "bad_request"),
        (SWITCH, None, WrongType, "bad_request"),
        (LIGHT, True, WrongType, "bad_request"),
        (LIGHT, 50.0, WrongType, "bad_request"),
        (LIGHT, {"level": 1}, WrongType, "bad_request"),
        (LIGHT, "x" * 100_000, WrongType, "bad_request"),
        (LIGHT, -1, OutOfRange, "out_of_range"),
        (LIGHT, 101, OutOfRange, "out_of_range"),
        (sensor(), 1.0, NotWritable, "not_writable"),
    ],
)
def test_what_a_command_may_not_carry(
    device: Device, value: object, error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as caught:
        device.check(value)
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert len(str(caught.value)) < 120


def test_a_number_too_long_to_print_is_out_of_range() -> None:
    with pytest.raises(OutOfRange, match="a number of many digits"):
        LIGHT.check(10**5000)


@pytest.mark.parametrize("name", ["", "A", "a b", "ä", "a/b", "a\n", "x" * 65])
def test_ids_have_one_form(name: str) -> None:
    with pytest.raises(ValueError, match="id is 1 to 64"):
        Device(name, "x", Kind.SENSOR)


@pytest.mark.parametrize(
    "options", [{"interval": 0}, {"interval": math.inf}, {"expire_after": 0}, {"interval": -1}]
)
def test_times_must_be_times(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be more than 0"):
        sensor(**options)
