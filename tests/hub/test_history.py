"""The history: the last hour, bounded, and honest about what is missing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tether.hub.devices.model import Device, Kind
from tether.hub.history.memory import History


@pytest.fixture
def device() -> Device:
    return Device("t", "t", Kind.SENSOR)


def values(history: History, device: Device, seconds: float, at: float) -> list[Any]:
    return [value for _, value in history.query(device, seconds, monotonic=at).points]


def test_points_in_order_on_the_wall_clock(device: Device) -> None:
    history = History()
    now = time.monotonic()
    history.begin(device, monotonic=now - 20)
    for age in (10, 5, 0):
        history.record(device, float(age), monotonic=now - age)
    answer = history.query(device, 15)
    assert [value for _, value in answer.points] == [10.0, 5.0, 0.0]
    for (stamp, _), age in zip(answer.points, (10, 5, 0), strict=True):
        assert abs(stamp - (time.time() - age)) < 1.0
    assert abs(answer.start - (time.time() - 15)) < 1.0
    assert answer.complete


def test_recording_that_began_later_is_not_complete(device: Device) -> None:
    history = History()
    history.begin(device, monotonic=100.0)
    history.record(device, 1.0, monotonic=105.0)
    assert not history.query(device, 60, monotonic=110.0).complete
    assert history.query(device, 10, monotonic=110.0).complete
    offset = time.time() - time.monotonic()
    assert abs(history.query(device, 60, monotonic=110.0).start - (100.0 + offset)) < 0.1


def test_an_empty_stretch_after_the_beginning_is_complete(device: Device) -> None:
    history = History()
    history.begin(device, monotonic=0.0)
    answer = history.query(device, 50, monotonic=100.0)
    assert answer.complete
    assert answer.points == []


def test_a_device_nobody_recorded_is_not_complete(device: Device) -> None:
    answer = History().query(device, 10)
    assert not answer.complete
    assert answer.points == []


def test_older_than_kept_is_not_complete(device: Device) -> None:
    history = History(seconds=60)
    history.begin(device, monotonic=0.0)
    for second in range(200):
        history.record(device, float(second), monotonic=float(second))
    assert values(history, device, 3600, 199.0) == [float(second) for second in range(139, 200)]
    assert not history.query(device, 3600, monotonic=199.0).complete
    assert history.query(device, 60, monotonic=199.0).complete
    assert history.query(device, None, monotonic=199.0).complete


def test_what_had_to_make_room_is_admitted(device: Device) -> None:
    history = History(seconds=3600, points=100)
    history.begin(device, monotonic=0.0)
    for second in range(250):
        history.record(device, float(second), monotonic=float(second))
    answer = history.query(device, 200, monotonic=249.0)
    assert len(answer.points) == 100
    assert not answer.complete
    assert history.query(device, 99, monotonic=249.0).complete
    assert not history.query(device, 99.5, monotonic=249.0).complete


def test_memory_is_bounded(device: Device) -> None:
    history = History(seconds=1e6, points=1000)
    for second in range(5000):
        history.record(device, 1.0, monotonic=float(second))
    ring = history._rings[device.id]
    assert len(ring.stamps) == len(ring.values) == 1000


@pytest.mark.parametrize("points", [2, 63, 64, 65, 100, 129, 7200])
def test_no_point_is_lost_or_turned_round_while_the_ring_grows(device: Device, points: int) -> None:
    history = History(seconds=1e6, points=points)
    for second in range(300):
        history.record(device, float(second), monotonic=float(second))
        expected = [float(value) for value in range(max(0, second + 1 - points), second + 1)]
        assert values(history, device, 1e6, float(second)) == expected


def test_points_that_age_out_make_room_in_the_ring(device: Device) -> None:
    history = History(seconds=10, points=7200)
    for second in range(1000):
        history.record(device, float(second), monotonic=second / 2)
    assert values(history, device, 10, 499.5) == [float(value) for value in range(979, 1000)]
    assert history.query(device, 10, monotonic=499.5).complete
    assert len(history._rings[device.id].stamps) == 64, "no more memory than ten seconds need"


def test_a_gap_is_told_once(device: Device) -> None:
    history = History()
    for second, value in enumerate([1.0, None, None, None, 2.0, None]):
        history.record(device, value, monotonic=float(second))
    assert values(history, device, 100, 6.0) == [1.0, None, 2.0, None]


def test_values_come_back_as_the_device_said_them() -> None:
    history = History()
    switch = Device("s", "s", Kind.SWITCH)
    light = Device("l", "l", Kind.LIGHT)
    for device, said in ((switch, True), (switch, False), (light, 40)):
        history.record(device, said, monotonic=1.0)
    assert [repr(value) for value in values(history, switch, 10, 2.0)] == ["True", "False"]
    assert [repr(value) for value in values(history, light, 10, 2.0)] == ["40"]
