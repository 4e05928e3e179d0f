# The life of a command: queued, sent, and then one end. One in flight per device.
# Must not know the wire, the session or the page: a sender is a name and a callback.
"""Commands to devices: the table of their states, the queues, the read-back."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from tether.hub.devices.model import (
    Busy,
    Device,
    DeviceError,
    DeviceUnavailable,
    Kind,
    State,
    Value,
)
from tether.hub.devices.registry import Registry

logger = logging.getLogger("tether.hub")


class Stage(enum.StrEnum):
    """Where a command stands; the words are those of the wire.

    >>> Stage("timed_out").final, Stage("sent").final
    (True, False)
    """

    QUEUED = "queued"
    """It waits for its turn at the device; it can still be cancelled."""
    SENT = "sent"
    """The driver has it."""
    DONE = "done"
    """The hardware was read back and does what was asked."""
    FAILED = "failed"
    """The hardware does not do what was asked, or could not be reached."""
    TIMED_OUT = "timed_out"
    """The deadline passed. Not yet sent, it never will be; sent, it may have been carried out."""
    CANCELLED = "cancelled"
    """The sender left before it was sent: it was not carried out, and nobody is told."""

    @property
    def final(self) -> bool:
        """Whether a command ends here."""
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[Stage, frozenset[Stage]] = MappingProxyType(
    {
        Stage.QUEUED: frozenset({Stage.SENT, Stage.FAILED, Stage.TIMED_OUT, Stage.CANCELLED}),
        Stage.SENT: frozenset({Stage.DONE, Stage.FAILED, Stage.TIMED_OUT}),
        Stage.DONE: frozenset(),
        Stage.FAILED: frozenset(),
        Stage.TIMED_OUT: frozenset(),
        Stage.CANCELLED: frozenset(),
    }
)
"""Every step a command can take; code and tests share it."""


class Cancellable(Protocol):
    """What `scope.after` and `scope.every` return."""

    def cancel(self) -> object:
        """It does not fire any more."""


class Owner(Protocol):
    """What the hub needs of a scope; `tether.Scope` has it. Durations in seconds."""

    @property
    def state(self) -> str:
        """`open`, `closing` or `closed`."""

    def every(self, seconds: float, callback: Callable[..., object], /, *args: Any) -> Cancellable:
        """Call again and again."""

    def after(self, seconds: float, callback: Callable[..., object], /, *args: Any) -> Cancellable:
        """Call once."""

    def spawn(
        self, coroutine: Coroutine[Any, Any, Any], /, *, name: str | None = None
    ) -> asyncio.Task[Any]:
        """Run a task that is cancelled with the scope."""

    def own(self, thing: Any, /) -> Any:
        """Close the thing with the scope."""

    def on_close(self, callback: Callable[[BaseException | None], object], /) -> object:
        """Call once the scope is closed."""


Listener = Callable[["Command"], object]


class Command:
    """One command on its way. Made by `Commands.submit`.

    `stage` says where it stands. When it ended otherwise than done, `code` is the error code of
    the wire protocol and `message` the reason in words. `before` is the device's state when it
    was submitted, `state` the one that was read back, None where it was not. `elapsed` is the
    time from submission to the end, in seconds.
    """

    def __init__(
        self,
        device: Device,
        value: Value,
        sender: str,
        listener: Listener | None,
        ended: Listener,
    ) -> None:
        self.device = device
        self.value = value
        self.sender = sender
        self.before = device.state()
        self.stage = Stage.QUEUED
        self.code = ""
        self.message = ""
        self.state: State | None = None
        self.elapsed = 0.0
        self._listener = listener
        self._ended = ended
        self._submitted = time.monotonic()
        self._timer: Cancellable | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"<Command {self.device.id}={self.value!r} {self.stage}>"

    @property
    def ended(self) -> bool:
        """Whether it came to its one end."""
        return self.stage.final

    def cancel(self) -> bool:
        """Take it back if it was not sent yet: then true, and it is never carried out.

        For a sender who leaves; the listener is not called. One that was sent runs to its end.
        """
        return self._advance(Stage.CANCELLED)

    async def wait(self) -> Command:
        """Wait for the end; returns the command. Does not raise for one that failed."""
        if not self.ended:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(future)
            await future
        return self

    def _advance(self, stage: Stage, code: str = "", message: str = "") -> bool:
        """Take one step of the table; false where the table has no such step."""
        if stage not in TRANSITIONS[self.stage]:
            return False
        self.stage = stage
        self.code = code
        self.message = message
        if stage.final:
            self.elapsed = time.monotonic() - self._submitted
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._ended(self)
        if stage is not Stage.CANCELLED:
            self._tell()
        if stage.final:
            waiters, self._waiters = self._waiters, []
            for future in waiters:
                if not future.done():
                    future.set_result(None)
        return True

    def _tell(self) -> None:
        if self._listener is None:
            return
        try:
            self._listener(self)
        except Exception:
            logger.exception("a command's listener failed", extra={"device": self.device.id})


class _Line:
    """What waits for one device, and what it is busy with."""

    __slots__ = ("attempt", "current", "sent", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Command] = deque()
        self.current: Command | None = None
        self.attempt: asyncio.Task[None] | None = None
        self.sent = 0


class Commands:
    """Sends commands to devices: one in flight per device, the others queue, each ends once.

    `queued` is how many may wait per device, `deadline` the seconds from submission to the end.
    `finished` is called with each command that came to its end, cancelled ones too.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        queued: int = 16,
        deadline: float = 5.0,
        finished: Listener | None = None,
    ) -> None:
        self.registry = registry
        self.queued = queued
        self.deadline = deadline
        self._finished = finished
        self._lines: dict[str, _Line] = {}
        self._scope: Owner | None = None

    def start(self, scope: Owner) -> None:
        """Carry out commands under this scope; when it closes, what did not end fails."""
        if self._scope is not None:
            raise RuntimeError("the commands were started already")
        self._scope = scope
        scope.on_close(self._stopped)

    @property
    def running(self) -> bool:
        """Whether commands are taken."""
        return self._scope is not None and self._scope.state == "open"

    def in_flight(self, device: Device) -> Command | None:
        """The command the device is busy with, None where it is not."""
        line = self._lines.get(device.id)
        return None if line is None else line.current

    def sent(self, device: Device) -> int:
        """How many commands were sent to the device so far."""
        line = self._lines.get(device.id)
        return 0 if line is None else line.sent

    def waiting(self, device: Device) -> int:
        """How many commands wait for the device, besides the one in flight."""
        line = self._lines.get(device.id)
        return 0 if line is None else len(line.waiting)

    def submit(
        self, device: Device, value: object, *, sender: str = "", listener: Listener | None = None
    ) -> Command:
        """Queue a command; returns at once.

        `listener(command)` is called at every step: with `queued`, and with `sent` too where the
        device is free, before this returns. What it raises is logged. `sender` says who sent it.

        Raises NotWritable, WrongType, OutOfRange or Busy where the command is refused, and
        DeviceUnavailable where the hub is not running; then the listener is not called.
        """
        checked = device.check(value)
        scope = self._scope
        if scope is None or scope.state != "open":
            raise DeviceUnavailable("the hub is not running")
        line = self._lines.setdefault(device.id, _Line())
        if len(line.waiting) >= self.queued:
            raise Busy(f"{len(line.waiting)} commands wait for {device.id} already")
        command = Command(device, checked, sender, listener, self._ended)
        command._timer = scope.after(self.deadline, self._overdue, command)
        line.waiting.append(command)
        command._tell()
        self._next(line)
        return command

    def _next(self, line: _Line) -> None:
        """Send the next one, if the device is free."""
        scope = self._scope
        if line.current is not None or scope is None or scope.state != "open" or not line.waiting:
            return
        command = line.waiting.popleft()
        line.current = command
        line.sent += 1
        # the listener may close the scope, so the step is told only after the task is there
        line.attempt = scope.spawn(self._attempt(command), name=f"command to {command.device.id}")
        line.attempt.add_done_callback(lambda _: self._free(line))
        command._advance(Stage.SENT)

    def _free(self, line: _Line) -> None:
        """The driver is done with a command, be it with its cancellation: the next one's turn."""
        command = line.current
        line.current = None
        line.attempt = None
        if command is not None:
            # only where the task ended without ending the command: it was cancelled from outside
            self._stop(command)
        self._next(line)

    async def _attempt(self, command: Command) -> None:
        device = command.device
        driver = self.registry.driver(device)
        try:
            await driver.write(device, command.value)
            if command.ended:
                return
            try:
                actual = await driver.read(device)
            except DeviceUnavailable as error:
                self.registry.unavailable(device, str(error))
                raise
            if command.ended:
                return
            # a state is published only now that the hardware was asked what it does
            self.registry.publish(device, actual)
            command.state = device.state()
            if driver.settled(device, command.value, actual):
                command._advance(Stage.DONE)
            else:
                message = f"the hardware says {_said(device, actual)}"
                message += f" after {_said(device, command.value)} was written"
                command._advance(Stage.FAILED, "failed", message)
        except TimeoutError:
            command._advance(Stage.TIMED_OUT, "timed_out", f"{device.id} did not answer in time")
        except DeviceError as error:
            command._advance(Stage.FAILED, error.code, str(error))
        except Exception as error:
            # a bug of a driver is that driver's: it must not end the hub
            logger.exception("a driver failed", extra={"device": device.id})
            message = f"the driver failed: {type(error).__name__}"
            command._advance(Stage.FAILED, "failed", message)

    def _overdue(self, command: Command) -> None:
        line = self._lines[command.device.id]
        attempt = line.attempt if line.current is command else None
        where = "waited too long for its turn" if attempt is None else "was not answered"
        message = f"the command {where}: {self.deadline:g} s passed"
        if command._advance(Stage.TIMED_OUT, "timed_out", message) and attempt is not None:
            attempt.cancel()

    def _ended(self, command: Command) -> None:
        line = self._lines[command.device.id]
        if command in line.waiting:
            line.waiting.remove(command)
        if self._finished is not None:
            self._finished(command)

    def _stopped(self, _: BaseException | None) -> None:
        for line in self._lines.values():
            pending = [*line.waiting] if line.current is None else [line.current, *line.waiting]
            for command in pending:
                self._stop(command)

    def _stop(self, command: Command) -> None:
        reason = "it was interrupted" if self.running else "the server is stopping"
        command._advance(Stage.FAILED, "unavailable", reason)


def _said(device: Device, value: Value) -> str:
    if device.kind is Kind.SWITCH:
        return "on" if value else "off"
    return f"{value} {device.unit}".rstrip()
