"""The registry: devices by id, and listeners who hear of every change."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import pytest

from tests.hub.devices_for_tests import Lamp, Meter
from tether.hub.devices.model import Device, Status, UnknownDevice
from tether.hub.devices.registry import Registry


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.add(Meter())
    registry.add(Lamp())
    return registry


def test_devices_by_id_and_in_order(registry: Registry) -> None:
    assert [device.id for device in registry.devices] == ["meter", "lamp"]
    lamp = registry.get("lamp")
    assert isinstance(registry.driver(lamp), Lamp)
    assert len(registry.drivers) == 2
    with pytest.raises(UnknownDevice, match="there is no device called 'x'"):
        registry.get("x")


def test_a_long_unknown_id_is_not_repeated_whole(registry: Registry) -> None:
    with pytest.raises(UnknownDevice) as caught:
        registry.get("x" * 100_000)
    assert len(str(caught.value)) < 150


def test_an_id_is_taken_once(registry: Registry) -> None:
    with pytest.raises(ValueError, match="two devices are called lamp"):
        registry.add(Lamp())
    assert len(registry.devices) == 2


def test_every_reading_is_told_and_a_loss_once(registry: Registry) -> None:
    meter = registry.get("meter")
    heard: list[tuple[object, Status]] = []
    registry.listen(lambda device: heard.append((device.state().value, device.state().status)))
    registry.publish(meter, 20.0)
    registry.publish(meter, 20.0)
    registry.unavailable(meter, "gone")
    registry.unavailable(meter, "gone")
    registry.unavailable(meter, "gone for good")
    assert heard == [
        (20.0, Status.OK),
        (20.0, Status.OK),
        (None, Status.UNAVAILABLE),
        (None, Status.UNAVAILABLE),
    ]
    assert meter.state().reason == "gone for good"


def test_a_value_that_is_none_makes_unavailable(registry: Registry) -> None:
    meter = registry.get("meter")
    registry.publish(meter, math.nan)
    assert meter.state().status is Status.UNAVAILABLE
    assert meter.state().reason == "the reading is not a number"


def test_a_removed_listener_is_not_called_even_in_the_same_round(registry: Registry) -> None:
    meter = registry.get("meter")
    heard: list[str] = []
    removals: list[Callable[[], None]] = []

    def first(_: Device) -> None:
        heard.append("first")
        for remove in removals:
            remove()

    removals.append(registry.listen(first))
    removals.append(registry.listen(lambda _: heard.append("second")))
    registry.publish(meter, 1.0)
    registry.publish(meter, 2.0)
    assert heard == ["first"]


def test_a_listener_that_raises_stops_no_other(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def broken(_: Device) -> None:
        raise RuntimeError("broken listener")

    registry.listen(broken)
    registry.listen(lambda device: heard.append(device.id))
    with caplog.at_level(logging.ERROR, logger="tether.hub"):
        registry.publish(registry.get("meter"), 1.0)
    assert heard == ["meter"]
    assert "broken listener" in caplog.text
