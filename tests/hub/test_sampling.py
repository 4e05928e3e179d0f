"""The hub samples: one reader per sensor, deadlines, expiry by a timer, nothing after the scope."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import tether
from tests.hub.devices_for_tests import Lamp, Meter, Until
from tests.hub.sysfs_tree import Tree
from tether.config.settings import parse
from tether.hub.devices.driver import BlockingDriver, Driver
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Status, UnknownDevice, Value
from tether.hub.hub import Hub


@asynccontextmanager
async def running(
    drivers: Sequence[Driver], text: str = ""
) -> AsyncIterator[tuple[Hub, tether.Scope]]:
    hub = Hub(parse(text), drivers=drivers)
    scope = tether.Scope(name="hub")
    hub.start(scope)
    try:
        yield hub, scope
    finally:
        scope.close()
        await scope.wait_closed()


def test_the_first_reading_is_not_an_interval_away(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=3600)
        async with running([meter]) as (hub, _):
            assert meter.device.state().status is Status.UNKNOWN
            await until(hub.registry, lambda: meter.device.state().status is Status.OK)
            assert meter.device.state().value == 20.0
            assert abs(meter.device.state().time - time.time()) < 5
            assert abs(hub.started - time.time()) < 5

    tether.run(main())


def test_it_is_read_again_and_again(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=0.01)
        async with running([meter]) as (hub, _):
            await until(hub.registry, lambda: meter.reads >= 5)
            meter.value = 21.5
            await until(hub.registry, lambda: meter.device.state().value == 21.5)

    tether.run(main())


def test_one_reader_however_many_listen(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=3600)
        heard = [0] * 1000
        async with running([meter]) as (hub, _):

            def hear(number: int) -> None:
                heard[number] += 1

            for number in range(1000):
                hub.registry.listen(lambda _, number=number: hear(number))  # type: ignore[misc]
            await until(hub.registry, lambda: meter.device.state().status is Status.OK)
            assert heard == [1] * 1000
            assert meter.reads == 1

    tether.run(main())


def test_a_reading_that_is_still_running_is_not_started_twice(until: Until) -> None:
    async def main() -> None:
        slow, clock = Meter("slow", interval=0.01), Meter("clock", interval=0.01)
        slow.gate.clear()
        async with running([slow, clock]) as (hub, _):
            await until(hub.registry, lambda: clock.reads >= 10)
            assert (slow.reads, slow.busiest) == (1, 1)
            assert hub.metrics.counter(
                "tether_reads_skipped_total",
                "",
                ("device",),
            ).value(device="slow")
            slow.gate.set()
            await until(hub.registry, lambda: slow.reads >= 3)
            assert slow.busiest == 1

    tether.run(main())


def test_a_reading_past_its_deadline_makes_unavailable_and_is_tried_again(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=0.05)
        meter.gate.clear()
        async with running([meter], "[hub]\nread_timeout = 0.1") as (hub, _):
            await until(hub.registry, lambda: meter.device.state().status is Status.UNAVAILABLE)
            assert meter.device.state().reason == "no answer within 0.1 s"
            meter.gate.set()
            await until(hub.registry, lambda: meter.device.state().status is Status.OK)
            assert meter.busiest == 1

    tether.run(main())


class Deaf(Meter):
    """Will not be cancelled, and gives its value in the end."""

    async def read(self, device: Device) -> Value:
        self.reads += 1
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                continue
        return self.value


def test_a_value_that_comes_after_the_deadline_does_not_count(until: Until) -> None:
    async def main() -> None:
        deaf, clock = Deaf("deaf", interval=60), Meter("clock", interval=0.01)
        deaf.gate.clear()
        async with running([deaf, clock], "[hub]\nread_timeout = 0.1") as (hub, _):
            await until(hub.registry, lambda: deaf.device.state().status is Status.UNAVAILABLE)
            deaf.gate.set()
            ticks = clock.reads
            await until(hub.registry, lambda: clock.reads >= ticks + 5)
            assert deaf.device.state().status is Status.UNAVAILABLE
            assert deaf.reads == 1

    tether.run(main())


def test_a_driver_has_a_deadline_of_its_own(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=60)
        meter.read_deadline = 0.05
        meter.gate.clear()
        async with running([meter], "[hub]\nread_timeout = 60") as (hub, _):
            await until(hub.registry, lambda: meter.device.state().status is Status.UNAVAILABLE)
            assert meter.device.state().reason == "no answer within 0.05 s"

    tether.run(main())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DeviceUnavailable("unplugged"), "unplugged"),
        (DeviceUnavailable(), "cannot be reached"),
        (TimeoutError(), "no answer in time"),
        (ZeroDivisionError("x"), "the driver failed: ZeroDivisionError"),
    ],
)
def test_a_driver_that_raises(
    until: Until, error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        meter, well = Meter("ill", interval=0.01), Meter("well", interval=0.01)
        meter.error = error
        async with running([meter, well]) as (hub, scope):
            await until(hub.registry, lambda: meter.reads >= 5 and well.reads >= 5)
            assert meter.device.state().status is Status.UNAVAILABLE
            assert meter.device.state().reason == reason
            assert well.device.state().status is Status.OK
            assert scope.state == "open"
            meter.error = None
            await until(hub.registry, lambda: meter.device.state().status is Status.OK)

    with caplog.at_level(logging.INFO, logger="tether.hub"):
        tether.run(main())
    # told once, not at every reading
    assert caplog.text.count("device is unavailable") == 1
    assert caplog.text.count("device is back") == 1
    assert caplog.text.count("a driver failed") == isinstance(error, ZeroDivisionError)


def test_a_driver_that_hangs_delays_no_other(tree: Tree, until: Until) -> None:
    """The real thing: a file whose reading blocks, a FIFO nobody writes to."""
    tree.zone(0, "hung", "1")
    tree.zone(1, "well", "40000")
    hung_file = tree.root / "class/thermal/thermal_zone0/temp"
    hung_file.unlink()
    os.mkfifo(hung_file)

    async def main() -> None:
        text = "[hub]\nsimulated = false\nread_timeout = 0.2"
        hub = Hub(parse(text), root=tree.root)
        for device in hub.devices:
            device.interval = 0.05
        async with tether.Scope(name="hub") as scope:
            hub.start(scope)
            hung, well = hub.get("thermal-hung"), hub.get("thermal-well")
            await until(hub.registry, lambda: hung.state().status is Status.UNAVAILABLE)
            assert hung.state().reason == "no answer within 0.2 s"
            assert well.state().value == 40.0
            before = well.state().time
            await until(hub.registry, lambda: well.state().time > before)
            await until(hub.registry, lambda: hung.state().reason.startswith("no answer for"))
            # it comes back by itself once the file does
            descriptor = os.open(hung_file, os.O_RDWR)
            os.write(descriptor, b"41000\n")
            await until(hub.registry, lambda: hung.state().reason.startswith("no answer within"))
            os.close(descriptor)
            hung_file.unlink()
            hung_file.write_text("42000\n")
            await until(hub.registry, lambda: hung.state().value == 42.0)

    tether.run(main())


def test_listeners_are_told_of_expiry_at_that_moment(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=60, expire_after=0.2)
        heard: list[tuple[Status, float]] = []
        async with running([meter]) as (hub, _):
            # state() applies expiry by itself; only what was recorded shows that the timer did it
            hub.registry.listen(
                lambda device: heard.append((device.last_recorded.status, time.monotonic()))
            )
            await until(hub.registry, lambda: len(heard) == 2)
        (first, then), (second, now) = heard
        assert (first, second) == (Status.OK, Status.UNAVAILABLE)
        assert 0.19 <= now - then < 2.0
        assert meter.device.state().reason == "no reading for 0.2 s"

    tether.run(main())


def test_a_value_that_is_renewed_does_not_expire(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=0.02, expire_after=0.2)
        seen: set[Status] = set()
        async with running([meter]) as (hub, _):
            hub.registry.listen(lambda device: seen.add(device.last_recorded.status))
            await until(hub.registry, lambda: meter.reads >= 30)
            assert seen == {Status.OK}
            # and once it is not renewed any more, it does
            meter.gate.clear()
            await until(
                hub.registry, lambda: meter.device.last_recorded.status is Status.UNAVAILABLE
            )
            assert meter.device.state().reason == "no reading for 0.2 s"

    tether.run(main())


def test_there_is_one_expiry_timer_per_device(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=0.005, expire_after=60)
        async with running([meter]) as (hub, scope):
            await until(hub.registry, lambda: meter.reads >= 3)
            few = scope.tree().count("<Timer")
            await until(hub.registry, lambda: meter.reads >= 50)
            # one for the interval, one for the expiry, and one while a reading runs
            assert 2 <= few <= 3
            assert 2 <= scope.tree().count("<Timer") <= 3

    tether.run(main())


class Slow(Lamp):
    """Tells what it did when the reading began, however late."""

    def __init__(self) -> None:
        super().__init__("slow", interval=0.01)
        self.reading = asyncio.Event()
        self.answer = asyncio.Event()
        self.slow = True

    async def read(self, device: Device) -> Value:
        seen = self.on
        if self.slow:
            self.slow = False
            self.reading.set()
            await self.answer.wait()
        return seen


def test_a_reading_from_before_a_command_does_not_undo_it(until: Until) -> None:
    async def main() -> None:
        slow = Slow()
        seen: list[object] = []
        async with running([slow]) as (hub, _):
            await slow.reading.wait()
            hub.registry.listen(lambda device: seen.append(device.state().value))
            command = await hub.command("slow", True).wait()
            assert command.stage == "done"
            slow.answer.set()
            await until(hub.registry, lambda: len(seen) >= 3)
            assert set(seen) == {True}

    tether.run(main())


def test_a_device_is_not_read_while_a_command_is_in_flight(until: Until) -> None:
    async def main() -> None:
        lamp, clock = Lamp("lamp", interval=0.01), Meter("clock", interval=0.01)
        async with running([lamp, clock]) as (hub, _):
            await until(hub.registry, lambda: lamp.device.state().status is Status.OK)
            lamp.gate.clear()
            command = hub.command("lamp", True)
            await lamp.begun.wait()
            before, ticks, reads = lamp.device.state(), clock.reads, lamp.reads
            await until(hub.registry, lambda: clock.reads >= ticks + 5)
            assert lamp.device.state() == before
            assert lamp.reads == reads
            lamp.gate.set()
            assert (await command.wait()).stage == "done"
            assert lamp.device.state().value is True

    tether.run(main())


def test_history_keeps_values_and_gaps(until: Until) -> None:
    async def main() -> None:
        meter = Meter(interval=0.01)
        async with running([meter]) as (hub, _):
            await until(hub.registry, lambda: meter.reads >= 3)
            meter.error = DeviceUnavailable("gone")
            await until(hub.registry, lambda: meter.device.state().status is Status.UNAVAILABLE)
            meter.error = None
            await until(hub.registry, lambda: meter.device.state().status is Status.OK)
            answer = hub.history.query(meter.device, 60)
            values = [value for _, value in answer.points]
            assert values[0] == 20.0
            assert values.count(None) == 1
            assert values[-1] == 20.0
            assert not answer.complete, "the hub is younger than a minute"

    tether.run(main())


def test_the_metrics_say_what_is(until: Until) -> None:
    async def main() -> None:
        meter, lamp = Meter(interval=60), Lamp()
        async with running([meter, lamp]) as (hub, _):
            await hub.command("lamp", True).wait()
            await until(hub.registry, lambda: meter.device.state().status is Status.OK)
            text = hub.metrics.render()
            assert 'tether_device_value{device="meter",unit="°C",simulated="false"} 20\n' in text
            assert 'tether_device_value{device="lamp",unit="",simulated="false"} 1\n' in text
            assert 'tether_device_available{device="meter"} 1\n' in text
            assert 'tether_commands_total{device="lamp",status="done"} 1\n' in text
            hub.registry.unavailable(meter.device, "gone")
            text = hub.metrics.render()
            assert 'tether_device_value{device="meter"' not in text
            assert 'tether_device_available{device="meter"} 0\n' in text

    tether.run(main())


def test_a_command_to_nobody() -> None:
    with pytest.raises(UnknownDevice):
        Hub(drivers=[]).command("x", True)


def test_nothing_outlives_the_scope(until: Until) -> None:
    async def main() -> None:
        meter, lamp = Meter(interval=0.01, expire_after=0.05), Lamp(interval=0.01)
        hung = Meter("hung", interval=0.01)
        hung.gate.clear()
        before = asyncio.all_tasks()
        async with running([meter, lamp, hung]) as (hub, scope):
            assert "<Timer" in tether_tree()
            await until(hub.registry, lambda: meter.reads >= 3)
            lamp.gate.clear()
            command = hub.command("lamp", True)
        reads = meter.reads
        assert scope.state == "closed"
        assert asyncio.all_tasks() == before
        assert (command.stage, lamp.closed) == ("failed", True)
        assert "<Timer" not in tether_tree()
        heard: list[Device] = []
        hub.registry.listen(heard.append)
        # another hub's readings are the clock: longer than any interval or expiry of the above
        clock = Meter("clock", interval=0.01)
        async with running([clock]) as (other, _):
            await until(other.registry, lambda: clock.reads >= 20)
        assert heard == []
        assert meter.reads == reads

    def tether_tree() -> str:
        return str(asyncio.get_running_loop().tree())  # type: ignore[attr-defined]

    tether.run(main())


def test_a_hub_is_started_once() -> None:
    async def main() -> None:
        async with running([]) as (hub, scope):
            with pytest.raises(RuntimeError, match="started already"):
                hub.start(scope)

    tether.run(main())


class Blocking(BlockingDriver):
    """Hangs in a file that nobody writes to."""

    def __init__(self, path: Path) -> None:
        super().__init__("blocking")
        self.devices = (Device("blocking", "Blocking", Kind.SENSOR, interval=60),)
        self.path = path
        self.begun = threading.Event()

    def read_now(self, device: Device) -> Value:
        self.begun.set()
        return len(self.path.read_bytes())


def test_closing_does_not_wait_for_a_driver_that_hangs(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def main() -> float:
        driver = Blocking(fifo)
        async with running([driver]):
            assert await asyncio.to_thread(driver.begun.wait, 5)
            began = time.monotonic()
        return time.monotonic() - began

    assert tether.run(main()) < 1.0
    # the thread still hangs; a writer that comes and goes lets it end
    os.close(os.open(fifo, os.O_RDWR))
