# The hub: drivers, registry, history and commands tied together, and the sampling of it all.
# Must not know clients, sockets or the page: they listen to the registry and submit commands.
"""`Hub`: what the server has one of."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from tether.config.metrics import Metrics
from tether.config.settings import Settings
from tether.hub.commands import Cancellable, Command, Commands, Listener, Owner
from tether.hub.devices.discovery import discover
from tether.hub.devices.driver import Driver
from tether.hub.devices.model import Device, DeviceUnavailable, Status
from tether.hub.devices.registry import Registry
from tether.hub.history.memory import History

logger = logging.getLogger("tether.hub")


class _Reading:
    """One reading on its way."""

    __slots__ = ("late", "task", "timer")

    def __init__(self) -> None:
        self.late = False
        self.task: Cancellable | None = None
        self.timer: Cancellable | None = None


class Hub:
    """All devices of this process: samples them, keeps their history, carries out commands.

    `drivers` replaces what the settings and the machine would give; `root` stands for `/sys` and
    replaces `settings.hub.root`. Raises ConfigError where a `[[devices]]` table is unfit.

    Clients listen with `hub.registry.listen(callback)` and read `device.state()`; each sensor has
    one reader however many there are. Everything is used on the loop's thread only.

    >>> hub = Hub(drivers=[])
    >>> hub.devices, hub.started
    ((), 0.0)
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        root: str | Path | None = None,
        drivers: Iterable[Driver] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.settings = Settings() if settings is None else settings
        self.metrics = Metrics() if metrics is None else metrics
        self.registry = Registry()
        self.started = 0.0
        """When sampling began, in unix seconds; 0.0 before."""
        found = discover(self.settings, root=root) if drivers is None else drivers
        for driver in found:
            self.registry.add(driver)
        hub = self.settings.hub
        limits = self.settings.limits
        self.history = History(seconds=hub.history_seconds, points=hub.history_points)
        self.commands = Commands(
            self.registry,
            queued=limits.commands_queued,
            deadline=limits.command_timeout,
            finished=self._count_command,
        )
        self._scope: Owner | None = None
        self._readings: dict[str, _Reading] = {}
        self._expiry: dict[str, Cancellable] = {}
        self._measure()

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, configured ones first."""
        return self.registry.devices

    def get(self, id: str) -> Device:  # noqa: A002
        """The device of that id. Raises UnknownDevice."""
        return self.registry.get(id)

    def command(
        self,
        id: str,  # noqa: A002
        value: object,
        *,
        sender: str = "",
        listener: Listener | None = None,
    ) -> Command:
        """Send a command to the device of that id; see `Commands.submit`.

        Raises UnknownDevice, NotWritable, WrongType, OutOfRange, Busy, DeviceUnavailable.
        """
        device = self.registry.get(id)
        return self.commands.submit(device, value, sender=sender, listener=listener)

    def start(self, scope: Owner) -> None:
        """Sample every device at its interval, first at once, until the scope closes.

        The scope owns every timer, task and driver from here on. Raises RuntimeError the second
        time.
        """
        if self._scope is not None:
            raise RuntimeError("the hub was started already")
        self._scope = scope
        self.started = time.time()
        for driver in self.registry.drivers:
            scope.own(driver)
        self.commands.start(scope)
        scope.on_close(self._stopped)
        self._remove_listener = self.registry.listen(self._changed)
        for device in self.devices:
            self.history.begin(device)
            scope.every(device.interval, self._tick, device)
            self._tick(device)
        logger.info("sampling began", extra={"devices": len(self.devices)})

    def _stopped(self, _: BaseException | None) -> None:
        self._remove_listener()
        self._expiry.clear()
        self._readings.clear()

    def _tick(self, device: Device) -> None:
        """Begin a reading, unless the last one is still running or a command is."""
        scope = self._scope
        if scope is None or scope.state != "open":
            return
        if device.id in self._readings:
            self._skipped.add(device=device.id)
            return
        if self.commands.in_flight(device) is not None:
            return
        reading = _Reading()
        self._readings[device.id] = reading
        deadline = self.registry.driver(device).read_deadline
        if deadline is None:
            deadline = self.settings.hub.read_timeout
        reading.timer = scope.after(deadline, self._late, device, reading, deadline)
        task = scope.spawn(self._read(device, reading), name=f"read {device.id}")
        reading.task = task
        # not in the coroutine: one that is cancelled before it began has no end of its own
        task.add_done_callback(lambda _: self._end(device, reading))

    def _end(self, device: Device, reading: _Reading) -> None:
        if reading.timer is not None:
            reading.timer.cancel()
        if self._readings.get(device.id) is reading:
            del self._readings[device.id]

    async def _read(self, device: Device, reading: _Reading) -> None:
        sent = self.commands.sent(device)
        problem = ""
        value = None
        try:
            value = await self.registry.driver(device).read(device)
        except DeviceUnavailable as error:
            problem = str(error) or "cannot be reached"
        except TimeoutError:
            problem = "no answer in time"
        except Exception as error:
            problem = f"the driver failed: {type(error).__name__}"
            if device.last_recorded.reason != problem:
                # once, not at every interval: a broken driver must not fill the disk
                logger.exception("a driver failed", extra={"device": device.id})
        if reading.late:
            return
        self._reads.add(device=device.id)
        if problem:
            self._failures.add(device=device.id)
        # a command that was sent meanwhile knows better: this may be from before it
        if self.commands.in_flight(device) is not None or self.commands.sent(device) != sent:
            return
        if value is None:
            self.registry.unavailable(device, problem or "the driver gave no value")
        else:
            self.registry.publish(device, value)

    def _late(self, device: Device, reading: _Reading, deadline: float) -> None:
        """The deadline of a reading passed; its result does not count any more."""
        reading.late = True
        if reading.task is not None:
            reading.task.cancel()
        self._reads.add(device=device.id)
        self._failures.add(device=device.id)
        self.registry.unavailable(device, f"no answer within {deadline:g} s")

    def _changed(self, device: Device) -> None:
        state = device.state()
        self.history.record(device, state.value)
        self._watch(device)

    def _watch(self, device: Device) -> None:
        """Keep one timer per device that fires when its value is too old."""
        scope = self._scope
        remaining = device.expires_in()
        if remaining is None or device.id in self._expiry or scope is None or scope.state != "open":
            return
        # one running timer per device, set again when it fires: not one more with each reading
        self._expiry[device.id] = scope.after(remaining, self._expire, device)

    def _expire(self, device: Device) -> None:
        self._expiry.pop(device.id, None)
        if not self.registry.expire(device):
            self._watch(device)

    def _measure(self) -> None:
        """The hub's metrics; values are asked for when somebody reads them."""
        metrics = self.metrics
        self._reads = metrics.counter("tether_reads_total", "Readings that ended.", ("device",))
        self._failures = metrics.counter(
            "tether_read_failures_total", "Readings that failed or took too long.", ("device",)
        )
        self._skipped = metrics.counter(
            "tether_reads_skipped_total",
            "Readings not begun because the last one was still running.",
            ("device",),
        )
        self._commands_ended = metrics.counter(
            "tether_commands_total", "Commands by device and end.", ("device", "status")
        )
        labels = ("device", "unit", "simulated")
        value = metrics.gauge("tether_device_value", "What the device said last.", labels)
        available = metrics.gauge(
            "tether_device_available", "Whether the device can be reached.", ("device",)
        )
        time_of = metrics.gauge(
            "tether_device_time_seconds", "When the value was read, unix time.", ("device",)
        )

        def collect() -> None:
            value.clear()
            time_of.clear()
            for device in self.devices:
                state = device.state()
                available.set(float(state.status is Status.OK), device=device.id)
                if state.value is not None:
                    simulated = "true" if device.simulated else "false"
                    value.set(
                        float(state.value), device=device.id, unit=device.unit, simulated=simulated
                    )
                if state.time:
                    time_of.set(state.time, device=device.id)

        metrics.collect(collect)

    def _count_command(self, command: Command) -> None:
        self._commands_ended.add(device=command.device.id, status=str(command.stage))
