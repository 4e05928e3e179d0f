"""The life of a command: by the table, one in flight per device, one end, never late."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

import tether
from tests.hub.devices_for_tests import Lamp, Meter
from tests.hub.sysfs_tree import Tree
from tether.hub.commands import TRANSITIONS, Command, Commands, Stage
from tether.hub.devices.led import Led
from tether.hub.devices.model import (
    Busy,
    Device,
    DeviceUnavailable,
    Kind,
    NotWritable,
    OutOfRange,
    Status,
    Value,
    WrongType,
)
from tether.hub.devices.registry import Registry


class Bench:
    """Commands on some drivers, under a scope, and everything that was told."""

    def __init__(self, scope: tether.Scope, commands: Commands, lamp: Lamp) -> None:
        self.scope = scope
        self.commands = commands
        self.lamp = lamp
        self.registry = commands.registry
        self.told: list[tuple[Command, Stage]] = []
        self.finished: list[Command] = []

    def submit(self, value: object = True, device: Device | None = None) -> Command:
        return self.commands.submit(
            device or self.lamp.device,
            value,
            sender="test",
            listener=lambda command: self.told.append((command, command.stage)),
        )

    def stages(self, command: Command) -> list[str]:
        return [str(stage) for one, stage in self.told if one is command]


@asynccontextmanager
async def bench(
    *, queued: int = 16, deadline: float = 5.0, drivers: tuple[Led, ...] = ()
) -> AsyncIterator[Bench]:
    registry = Registry()
    lamp = Lamp()
    for driver in (lamp, Meter(), Lamp("other"), *drivers):
        registry.add(driver)
    finished: list[Command] = []
    commands = Commands(registry, queued=queued, deadline=deadline, finished=finished.append)
    scope = tether.Scope(name="bench")
    commands.start(scope)
    made = Bench(scope, commands, lamp)
    made.finished = finished
    try:
        yield made
    finally:
        scope.close()
        await scope.wait_closed()
        for driver in registry.drivers:
            driver.close()
    # whatever a test did: every command that began has come to its one end
    assert len(finished) == len(set(map(id, finished)))
    for command, _ in made.told:
        stages = made.stages(command)
        assert stages[0] == "queued"
        assert sum(Stage(stage).final for stage in stages) == (command.stage != "cancelled")
        for before, after in itertools.pairwise(stages):
            assert Stage(after) in TRANSITIONS[Stage(before)]
        assert command in finished


def test_the_table() -> None:
    assert TRANSITIONS.keys() == set(Stage)
    assert {stage for stage in Stage if stage.final} == {
        Stage.DONE,
        Stage.FAILED,
        Stage.TIMED_OUT,
        Stage.CANCELLED,
    }
    assert all(Stage.QUEUED not in following for following in TRANSITIONS.values())
    assert Stage.CANCELLED not in TRANSITIONS[Stage.SENT]
    assert Stage.DONE not in TRANSITIONS[Stage.QUEUED]


def test_queued_sent_done_and_the_state_only_then() -> None:
    async def main() -> None:
        async with bench() as b:
            b.lamp.gate.clear()
            command = b.submit(True)
            assert b.stages(command) == ["queued", "sent"]
            await b.lamp.begun.wait()
            assert b.lamp.device.state().status is Status.UNKNOWN
            assert not command.ended
            published: list[tuple[object, bool]] = []
            b.registry.listen(
                lambda device: published.append((device.state().value, command.ended))
            )
            b.lamp.gate.set()
            await command.wait()
            assert b.stages(command) == ["queued", "sent", "done"]
            assert published == [(True, False)], "the state goes out before the answer"
            assert command.state is not None
            assert (command.state.value, command.state.status) == (True, Status.OK)
            assert (command.code, command.message) == ("", "")
            assert command.before.status is Status.UNKNOWN
            assert command.elapsed > 0

    tether.run(main())


def test_one_in_flight_per_device_in_order() -> None:
    async def main() -> None:
        async with bench() as b:
            b.lamp.gate.clear()
            commands = [b.submit(value) for value in (True, False, True, True, False)]
            other = b.submit(True, b.registry.get("other"))
            assert (await other.wait()).stage == "done", "another device does not wait"
            assert [str(command.stage) for command in commands] == ["sent", *["queued"] * 4]
            assert b.commands.waiting(b.lamp.device) == 4
            assert b.commands.in_flight(b.lamp.device) is commands[0]
            b.lamp.gate.set()
            for command in commands:
                assert (await command.wait()).stage == "done"
            assert b.lamp.written == [True, False, True, True, False]
            assert b.lamp.busiest == 1
            assert b.commands.sent(b.lamp.device) == 5

    tether.run(main())


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("meter", 1.0, NotWritable),
        ("lamp", 1, WrongType),
        ("lamp", "on", WrongType),
        ("dimmer", 101, OutOfRange),
    ],
)
def test_what_is_refused_is_no_command(name: str, value: object, error: type[Exception]) -> None:
    async def main() -> None:
        dimmer = Lamp("dimmer")
        dimmer.device.kind = Kind.LIGHT
        async with bench() as b:
            b.registry.add(dimmer)
            with pytest.raises(error):
                b.submit(value, b.registry.get(name))
            assert b.told == []
            assert b.finished == []

    tether.run(main())


def test_the_queue_is_bounded_and_frees_its_places() -> None:
    async def main() -> None:
        async with bench(queued=2) as b:
            b.lamp.gate.clear()
            first, second, third = b.submit(), b.submit(), b.submit()
            with pytest.raises(Busy, match="2 commands wait for lamp already"):
                b.submit()
            assert second.cancel()
            fourth = b.submit(False)
            b.lamp.gate.set()
            for command in (first, third, fourth):
                assert (await command.wait()).stage == "done"
            assert b.lamp.written == [True, True, False]

    tether.run(main())


def test_a_command_whose_sender_left_before_it_was_sent_is_not_carried_out() -> None:
    async def main() -> None:
        async with bench() as b:
            b.lamp.gate.clear()
            sent, waiting = b.submit(True), b.submit(False)
            assert waiting.cancel()
            assert not waiting.cancel(), "it ends once"
            assert not sent.cancel(), "the driver has it already"
            assert b.stages(waiting) == ["queued"], "nobody is told"
            b.lamp.gate.set()
            assert (await sent.wait()).stage == "done"
            assert (await waiting.wait()).stage == "cancelled"
            assert b.lamp.written == [True]
            assert b.finished == [waiting, sent]

    tether.run(main())


def test_a_deadline_ends_the_sent_and_the_waiting_and_neither_is_late() -> None:
    async def main() -> None:
        async with bench(deadline=0.1) as b:
            b.lamp.gate.clear()
            sent, waiting = b.submit(True), b.submit(True)
            async with asyncio.timeout(5):
                await sent.wait()
                await waiting.wait()
            assert b.stages(sent) == ["queued", "sent", "timed_out"]
            assert b.stages(waiting) == ["queued", "timed_out"]
            assert {sent.code, waiting.code} == {"timed_out"}
            assert sent.message == "the command was not answered: 0.1 s passed"
            assert waiting.message == "the command waited too long for its turn: 0.1 s passed"
            assert 0.09 <= sent.elapsed < 5
            b.lamp.gate.set()
            b.commands.deadline = 5.0
            after = b.submit(False)
            assert (await after.wait()).stage == "done"
            assert b.lamp.written == [False]
            assert b.lamp.busiest == 1

    tether.run(main())


class Deaf(Lamp):
    """Will not be cancelled."""

    async def write(self, device: Device, value: Value) -> None:
        self.begun.set()
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                continue
        self.written.append(value)
        self.on = bool(value)


def test_a_driver_that_will_not_be_cancelled_delays_only_its_own_device() -> None:
    async def main() -> None:
        async with bench(deadline=0.1) as b:
            deaf = Deaf("deaf")
            deaf.gate.clear()
            b.registry.add(deaf)
            first, second = b.submit(True, deaf.device), b.submit(False, deaf.device)
            async with asyncio.timeout(5):
                await first.wait()
                await second.wait()
            assert (first.stage, second.stage) == ("timed_out", "timed_out")
            assert b.commands.in_flight(deaf.device) is first, "the driver still has it"
            b.commands.deadline = 5.0
            assert (await b.submit(True).wait()).stage == "done"
            third = b.submit(False, deaf.device)
            deaf.gate.set()
            assert (await third.wait()).stage == "done"
            assert deaf.written == [True, False], "the second one came too late and was left out"

    tether.run(main())


@pytest.mark.parametrize(
    ("error", "stage", "code", "message"),
    [
        (DeviceUnavailable("unplugged"), "failed", "unavailable", "unplugged"),
        (TimeoutError(), "timed_out", "timed_out", "lamp did not answer in time"),
        (ZeroDivisionError("secret"), "failed", "failed", "the driver failed: ZeroDivisionError"),
    ],
)
def test_a_write_that_fails(
    error: Exception, stage: str, code: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with bench() as b:
            b.lamp.error = error
            command = await b.submit(True).wait()
            assert (command.stage, command.code, command.message) == (stage, code, message)
            assert command.state is None
            assert b.lamp.device.state().status is Status.UNKNOWN, "nothing was read"
            b.lamp.error = None
            assert (await b.submit(True).wait()).stage == "done"

    with caplog.at_level(logging.ERROR, logger="tether.hub"):
        tether.run(main())
    assert ("secret" in caplog.text) is isinstance(error, ZeroDivisionError)


class Stubborn(Led):
    """The hardware takes any brightness and stays at 3."""

    def write_now(self, device: Device, value: Value) -> None:
        super().write_now(device, value)
        (self.folder / "brightness").write_text("3\n")


def test_hardware_that_does_something_else(tree: Tree) -> None:
    tree.led("led0", most=255)
    led = Stubborn(Device("led", "LED", Kind.SWITCH), "led0", tree.root)

    async def main() -> None:
        async with bench(drivers=(led,)) as b:
            command = await b.submit(False, led.devices[0]).wait()
            assert (command.stage, command.code) == ("failed", "failed")
            assert command.message == "the hardware says on after off was written"
            # the state is what the hardware says, not what was asked for
            assert led.devices[0].state().value is True
            assert (await b.submit(True, led.devices[0]).wait()).stage == "done"

    tether.run(main())


def test_a_light_that_has_fewer_steps_is_done_and_says_which(tree: Tree) -> None:
    tree.led("led0", most=15)
    led = Led(Device("led", "LED", Kind.LIGHT), "led0", tree.root)

    async def main() -> None:
        async with bench(drivers=(led,)) as b:
            command = await b.submit(50, led.devices[0]).wait()
            assert command.stage == "done"
            assert command.state is not None
            assert command.state.value == 53

    tether.run(main())


class Vanishing(Lamp):
    """Takes the command and is gone when it is asked."""

    async def read(self, device: Device) -> Value:
        raise DeviceUnavailable("gone")


def test_a_device_that_is_gone_at_the_read_back() -> None:
    async def main() -> None:
        async with bench() as b:
            driver = Vanishing("vanishing")
            b.registry.add(driver)
            command = await b.submit(True, driver.device).wait()
            assert (command.stage, command.code, command.message) == (
                "failed",
                "unavailable",
                "gone",
            )
            assert driver.device.state().status is Status.UNAVAILABLE

    tether.run(main())


def test_when_the_scope_closes_each_command_ends_and_no_more_are_taken() -> None:
    async def main() -> None:
        async with bench() as b:
            b.lamp.gate.clear()
            sent, waiting = b.submit(True), b.submit(False)
            await b.lamp.begun.wait()
            b.scope.close()
            with pytest.raises(DeviceUnavailable, match="not running"):
                b.submit()
            await b.scope.wait_closed()
            for command in (sent, waiting):
                assert (command.stage, command.code) == ("failed", "unavailable")
                assert command.message == "the server is stopping"
            assert b.lamp.written == []

    tether.run(main())


def test_commands_before_the_start_are_refused() -> None:
    async def main() -> None:
        lamp = Lamp()
        registry = Registry()
        registry.add(lamp)
        commands = Commands(registry)
        with pytest.raises(DeviceUnavailable, match="not running"):
            commands.submit(lamp.device, True)
        async with tether.Scope(name="x") as scope:
            commands.start(scope)
            with pytest.raises(RuntimeError, match="started already"):
                commands.start(scope)

    tether.run(main())


@pytest.mark.parametrize("when", ["queued", "sent", "done"])
def test_a_listener_may_do_anything(when: str, caplog: pytest.LogCaptureFixture) -> None:
    """Raise, submit more, cancel others, close the scope: the command still ends once."""

    async def main(act: Callable[[Bench, Command], object]) -> None:
        async with bench() as b:
            acted = False

            def listener(command: Command) -> None:
                nonlocal acted
                b.told.append((command, command.stage))
                if command.stage == when and not acted:
                    acted = True
                    act(b, command)

            command = b.commands.submit(b.lamp.device, True, listener=listener)
            waiting = [] if b.scope.state != "open" else [b.submit(False)]
            async with asyncio.timeout(5):
                await command.wait()
                for one in waiting:
                    await one.wait()
            assert acted
            assert command.ended

    def fail(b: Bench, command: Command) -> None:
        raise RuntimeError("a listener's own fault")

    with caplog.at_level(logging.CRITICAL):
        tether.run(main(fail))
        tether.run(main(lambda b, command: b.submit(False)))
        tether.run(main(lambda b, command: command.cancel()))
        tether.run(main(lambda b, command: b.scope.close()))
