# What a driver is, and the worker thread on which the blocking ones do their work.
# Third parties build on this file. Must not know clients, the registry, or who asks.
"""Drivers: the abstract `Driver`, the `Worker` for blocking work, and `BlockingDriver`."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import enum
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tether.config.settings import ConfigError, DeviceSettings
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, NotWritable, Value

ENTRY_POINTS = "tether.drivers"
"""The entry-point group in which drivers are found: name = the driver's class."""

Result = TypeVar("Result")


class Entry:
    """One `[[devices]]` table of the configuration, as a driver sees it.

    `settings` is the table, `error` makes the ConfigError that names file and key.

    >>> entry = Entry(DeviceSettings(id="lamp", driver="led"), "tether.toml", 0)
    >>> str(entry.error("source", "missing"))
    'tether.toml: devices[0].source: missing'
    """

    def __init__(self, settings: DeviceSettings, file: str, index: int) -> None:
        self.settings = settings
        self.file = file
        self.index = index

    def error(self, field: str, problem: str) -> ConfigError:
        """The error to raise where the table's `field` is unfit."""
        return ConfigError(problem, file=self.file, key=f"devices[{self.index}].{field}")

    def device(
        self,
        kind: Kind,
        *,
        unit: str = "",
        device_class: str = "",
        simulated: bool = False,
        interval: float = 2.0,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> Device:
        """The device the table describes; the arguments are the driver's defaults."""
        table = self.settings
        seconds = interval if table.interval is None else table.interval
        expire_after = table.expire_after
        if expire_after is None:
            expire_after = default_expiry(seconds)
        elif expire_after <= seconds:
            raise self.error(
                "expire_after",
                f"expected more than the interval of {seconds:g} s, got {expire_after:g}",
            )
        return Device(
            table.id,
            table.name or table.id,
            kind,
            unit=table.unit or unit,
            device_class=table.device_class or device_class,
            simulated=simulated,
            interval=seconds,
            expire_after=expire_after,
            minimum=minimum,
            maximum=maximum,
        )

    def sensor(
        self,
        device_class: str,
        unit: str,
        *,
        simulated: bool = False,
        interval: float = 2.0,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> Device:
        """Like `device`, for what can only be read; another `kind` in the table is an error."""
        if self.settings.kind not in ("", "sensor"):
            raise self.error("kind", f'expected "sensor", got "{self.settings.kind}"')
        return self.device(
            Kind.SENSOR,
            unit=unit,
            device_class=device_class,
            simulated=simulated,
            interval=interval,
            minimum=minimum,
            maximum=maximum,
        )


def default_expiry(interval: float) -> float:
    """Seconds after which a value no longer counts: three missed readings, 10 s at least.

    >>> default_expiry(2.0), default_expiry(30.0)
    (10.0, 90.0)
    """
    return max(10.0, 3 * interval)


class Driver(abc.ABC):
    """Reaches the devices of one bus, chip or board. A third party derives from this.

    `devices` are what it reaches. `read_deadline` is how long one reading may take, in seconds,
    before the device is called unavailable. Everything is called on the loop's thread; what
    blocks belongs on a `Worker` (see `BlockingDriver`).
    """

    devices: tuple[Device, ...] = ()
    read_deadline: float | None = None
    """None: the hub's `read_timeout`."""

    @classmethod
    def configured(cls, entries: Sequence[Entry], root: Path) -> Sequence[Driver]:
        """The drivers for the tables that name this driver. `root` stands for `/sys`.

        Raises ConfigError (made by `Entry.error`) where a table is unfit.
        """
        raise entries[0].error("driver", "this driver cannot be configured")

    @classmethod
    def discovered(cls, root: Path) -> Sequence[Driver]:
        """Drivers for what this machine has; none where it has none. `root` stands for `/sys`."""
        return ()

    @abc.abstractmethod
    async def read(self, device: Device) -> Value:
        """What the hardware says now. Raises DeviceUnavailable where it cannot be reached."""

    async def write(self, device: Device, value: Value) -> None:
        """Set the device; the value was checked. Raises DeviceUnavailable, NotWritable."""
        raise NotWritable(f"{device.id} can only be read")

    def settled(self, device: Device, wanted: Value, actual: Value) -> bool:
        """Whether `actual`, read back, is what the hardware makes of `wanted`.

        A light of 15 steps that was asked for 50 % says 53 %: that is settled.
        """
        return wanted == actual

    def close(self) -> None:  # noqa: B027
        """Let go of the hardware. Must return at once, and may be called twice."""


class _Stage(enum.Enum):
    WAITING = enum.auto()
    RUNNING = enum.auto()
    ABANDONED = enum.auto()


class _Job:
    __slots__ = ("function", "future", "loop", "stage", "started")

    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.stage = _Stage.WAITING
        self.started = 0.0


class Worker:
    """One daemon thread for the blocking work of one bus; it starts with the first job.

    A job that hangs delays its own bus only, and never the exit of the process. While a job hangs
    that nobody waits for any more, new ones are refused at once instead of queueing behind it.

    >>> worker = Worker("example")
    >>> asyncio.run(worker.run(lambda: 6 * 7))
    42
    >>> worker.close()
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: _Job | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    async def run(self, function: Callable[[], Result]) -> Result:
        """Call the function on the thread; returns what it returns, raises what it raises.

        Cancelling (a deadline) gives up waiting: a job that had not begun is never carried out.
        Raises DeviceUnavailable where the thread still hangs in a job that was given up.
        """
        if self._closed:
            raise DeviceUnavailable("the driver is closed")
        with self._lock:
            stuck = self._running
            if stuck is not None and stuck.stage is _Stage.ABANDONED:
                waited = time.monotonic() - stuck.started
                raise DeviceUnavailable(f"no answer for {waited:.0f} s")
        job = _Job(function, asyncio.get_running_loop())
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
            self._thread.start()
        self._jobs.put(job)
        try:
            result: Result = await job.future
        finally:
            with self._lock:
                # only of interest while the thread has it; once it is done this changes nothing
                job.stage = _Stage.ABANDONED
        return result

    def close(self) -> None:
        """No more jobs: the thread ends after the one it is in. Returns at once."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                if job.stage is _Stage.ABANDONED:
                    continue
                job.stage = _Stage.RUNNING
                job.started = time.monotonic()
                self._running = job
            result: Any = None
            failure: BaseException | None = None
            try:
                result = job.function()
            except BaseException as error:
                failure = error
            with self._lock:
                self._running = None
            # the loop may have closed meanwhile: then nobody waits
            with contextlib.suppress(RuntimeError):
                job.loop.call_soon_threadsafe(_deliver, job.future, result, failure)
            del job, result, failure


def _deliver(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    elif isinstance(failure, Exception) and not isinstance(failure, StopIteration):
        future.set_exception(failure)
    else:
        future.set_exception(RuntimeError(f"the driver raised {type(failure).__name__}"))


class BlockingDriver(Driver):
    """A driver whose reading and writing block: they run on a worker thread of its own.

    Derive from it, set `devices`, and write `read_now` (and `write_now`).
    """

    def __init__(self, name: str) -> None:
        self.worker = Worker(f"tether {name}")

    async def read(self, device: Device) -> Value:
        """`read_now`, on the worker's thread."""
        return await self.worker.run(lambda: self.read_now(device))

    async def write(self, device: Device, value: Value) -> None:
        """`write_now`, on the worker's thread."""
        await self.worker.run(lambda: self.write_now(device, value))

    @abc.abstractmethod
    def read_now(self, device: Device) -> Value:
        """Like `Driver.read`; runs on the worker's thread and may block."""

    def write_now(self, device: Device, value: Value) -> None:
        """Like `Driver.write`; runs on the worker's thread and may block."""
        raise NotWritable(f"{device.id} can only be read")

    def close(self) -> None:
        """Stop the worker; does not wait for it."""
        self.worker.close()
