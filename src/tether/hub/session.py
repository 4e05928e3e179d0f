"""One client's session on a WebSocket: its requests, its subscription, its pace.

It must not know drivers or HTTP. It asks the hub, and never waits: what the client cannot take
now goes out when the WebSocket has drained, replies first and all of them, states latest only.
"""

from __future__ import annotations

import fnmatch
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from tether.config.metrics import Counter
from tether.config.settings import LimitSettings
from tether.hub import audit, protocol
from tether.hub.access import TokenBucket
from tether.hub.broadcast import Broadcast
from tether.hub.commands import Cancellable, Command, Stage
from tether.hub.devices.model import Device, DeviceError, UnknownDevice
from tether.hub.hub import Hub

__all__ = ["Session", "Socket"]

_log: Final = logging.getLogger("tether.hub.session")

_WILDCARDS: Final = frozenset("*?[")
# RFC 6455 leaves 123 bytes for the reason of a close.
_SLOW_CODE: Final = 1013


class Socket(Protocol):
    """What a session needs of a `tether.WebSocket`."""

    @property
    def peer(self) -> str:
        """The client's address."""

    @property
    def state(self) -> str:
        """`open`, `closing` or `closed`."""

    @property
    def buffered(self) -> int:
        """Bytes that wait to be sent."""

    def send(self, message: str, /) -> Any:
        """Send a text message; what is returned is false where it was not taken."""

    def on_message(self, callback: Callable[[str | bytes], object], /) -> Any:
        """Call with each message."""

    def on_drain(self, callback: Callable[[], object], /) -> Any:
        """Call when enough was sent for more to be taken."""

    def on_close(self, callback: Callable[[BaseException | None], object], /) -> Any:
        """Call once, last."""

    def own(self, thing: Any, /) -> Any:
        """Close the thing when the WebSocket begins to close."""

    def after(self, seconds: float, callback: Callable[..., object], /, *args: Any) -> Cancellable:
        """Call once, unless the WebSocket closes before."""

    def close(
        self, cause: BaseException | None = None, *, code: int | None = None, reason: str = ""
    ) -> Any:
        """Close with a code and a reason."""


class Session:
    """Serves one client from its snapshot until it leaves.

    `describe()` gives the server's part of a snapshot; `sender` says who this is, for the audit
    log; `refused` and `slow` count commands over the rate and clients that stayed slow.
    """

    def __init__(
        self,
        socket: Socket,
        hub: Hub,
        broadcast: Broadcast,
        *,
        limits: LimitSettings,
        describe: Callable[[], protocol.ServerMessage],
        sender: str,
        refused: Counter,
        slow: Counter,
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._broadcast = broadcast
        self._limits = limits
        self._describe = describe
        self._sender = sender
        self._refused = refused
        self._slow = slow
        self._bucket = TokenBucket(limits.commands_per_second, limits.command_burst)
        self._commands: dict[Command, None] = {}
        # None: all devices.
        self._subscribed: frozenset[str] | None = None
        self._interval = 0.0
        self._replies: deque[str] = deque()
        self._snapshot_due = True
        self._dirty: dict[str, None] = {}
        # When each device may be pushed next, and the timer for the earliest of those that wait.
        self._next_push: dict[str, float] = {}
        self._pace: Cancellable | None = None
        # Set while the client does not take what it is sent.
        self._stalled: Cancellable | None = None
        self._left = False

    def start(self) -> None:
        """Send the snapshot and serve the client from now on."""
        self._socket.on_message(self._heard)
        self._socket.on_drain(self._drained)
        self._socket.on_close(self._closed)
        self._socket.own(self)
        self._broadcast.add(self)
        _log.debug("session began", extra={"peer": self._socket.peer})
        self._pump()

    # -- what the broadcast tells

    def changed(self, devices: tuple[str, ...]) -> None:
        """Push what changed, now where the client keeps up, else its latest state later."""
        if self._subscribed is not None:
            devices = tuple(device for device in devices if device in self._subscribed)
            if not devices:
                return
        keeps_up = not (self._stalled or self._dirty or self._snapshot_due or self._replies)
        # The common case: one message, encoded once for all sessions of this kind.
        if keeps_up and not self._interval and self._give(self._broadcast.push(devices)):
            return
        for device in devices:
            self._dirty[device] = None
        self._pump()

    def failed(self, cause: Exception) -> None:
        """Close this session for an exception of its own."""
        self._socket.close(cause)

    # -- sending

    def _give(self, message: str) -> bool:
        """Hand over one message; when it is not taken, the client is slow from now on."""
        if self._socket.send(message):
            return True
        if self._stalled is None and self._socket.state == "open":
            seconds = self._limits.slow_client
            self._stalled = self._socket.after(seconds, self._too_slow, seconds)
        return False

    def _reply(
        self, message: protocol.Result | protocol.CommandUpdate | protocol.ErrorMessage
    ) -> None:
        if self._left:
            return
        self._replies.append(protocol.encode(message))
        self._pump()

    def _pump(self) -> None:
        """Send what is waiting as far as the client takes it."""
        if self._stalled is not None or self._left:
            return
        while self._replies:
            if not self._give(self._replies[0]):
                return
            self._replies.popleft()
        if self._snapshot_due:
            if not self._give(self._snapshot()):
                return
            self._snapshot_due = False
            self._sent(device.id for device in self._chosen())
            self._dirty.clear()
        if self._dirty:
            self._push_dirty()

    def _push_dirty(self) -> None:
        if not self._interval:
            due = tuple(self._dirty)
        else:
            now = time.monotonic()
            due = tuple(device for device in self._dirty if self._next_push.get(device, 0.0) <= now)
        if due:
            if not self._give(self._broadcast.push(due)):
                return
            self._sent(due)
            for device in due:
                del self._dirty[device]
        if self._dirty and self._pace is None:
            wait = min(self._next_push[device] for device in self._dirty) - time.monotonic()
            self._pace = self._socket.after(max(0.0, wait), self._paced)

    def _sent(self, devices: Iterable[str]) -> None:
        if self._interval:
            next_push = time.monotonic() + self._interval
            for device in devices:
                self._next_push[device] = next_push

    def _paced(self) -> None:
        self._pace = None
        self._pump()

    def _drained(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self._pump()

    def _too_slow(self, seconds: float) -> None:
        waiting = self._socket.buffered
        self._slow.add()
        _log.warning(
            "client is too slow, closing",
            extra={"peer": self._socket.peer, "seconds": seconds, "bytes_waiting": waiting},
        )
        reason = f"too slow: {waiting} bytes waited for {seconds:g} s; connect again"
        self._socket.close(code=_SLOW_CODE, reason=reason)

    def close(self) -> None:
        """Let go of everything at the moment the WebSocket begins to close; it calls this."""
        self._left = True
        self._broadcast.remove(self)
        # Who left cannot see what its command did: what was not sent is not carried out.
        for command in tuple(self._commands):
            if command.cancel():
                audit.record(command)
        self._commands.clear()
        self._replies.clear()
        self._dirty.clear()

    def _closed(self, cause: BaseException | None) -> None:
        ended = {"peer": self._socket.peer, "cause": str(cause or "orderly")}
        _log.debug("session ended", extra=ended)

    # -- what the client asks

    def _heard(self, message: str | bytes) -> None:
        try:
            request = protocol.decode(message)
        except protocol.RequestError as error:
            self._reply(error.reply())
            return
        try:
            match request:
                case protocol.Set():
                    self._set(request)
                case protocol.Get():
                    device = self._hub.get(request.device)
                    self._reply(protocol.Result(request.id, ok=True, state=_state(device)))
                case protocol.Subscribe():
                    self._subscribe(request)
                case protocol.History():
                    self._history(request)
                case protocol.Ping():
                    self._reply(protocol.Result(request.id, ok=True, time=time.time()))
        except DeviceError as error:
            failure = protocol.Failure(error.code, str(error))
            if isinstance(request, protocol.Set):
                self._fail(request, Stage.FAILED, failure)
            else:
                self._reply(protocol.Result(request.id, ok=False, error=failure))

    def _set(self, request: protocol.Set) -> None:
        if not self._bucket.take(time.monotonic()):
            self._refused.add()
            wait = self._bucket.wait()
            failure = protocol.Failure("rate_limited", f"too many commands; wait {wait:.1f} s")
            self._fail(request, Stage.FAILED, failure)
            return
        if request.not_after is not None and time.time() > request.not_after:
            failure = protocol.Failure("timed_out", "it came too late and is not carried out")
            self._fail(request, Stage.TIMED_OUT, failure)
            return
        command = self._hub.command(
            request.device,
            request.value,
            sender=self._sender,
            listener=partial(self._moved, request.id),
        )
        if not command.ended:
            self._commands[command] = None

    def _moved(self, identifier: int | str, command: Command) -> None:
        """Tell the client how far its command got."""
        if not command.ended:
            self._reply(protocol.CommandUpdate(identifier, command.stage.value))
            return
        audit.record(command)
        self._commands.pop(command, None)
        status = command.stage.value
        if command.stage is Stage.DONE and command.state is not None:
            state = protocol.state_message(command.device.id, command.state)
            self._reply(protocol.Result(identifier, ok=True, status=status, state=state))
        else:
            failure = protocol.Failure(command.code, command.message)
            self._reply(protocol.Result(identifier, ok=False, status=status, error=failure))

    def _fail(self, request: protocol.Set, stage: Stage, failure: protocol.Failure) -> None:
        # A flood is one line, else it would be a way to fill the disk.
        if self._bucket.refused <= 1:
            audit.record_refusal(self._sender, request.device, request.value, failure.code)
        self._reply(protocol.Result(request.id, ok=False, status=stage.value, error=failure))

    def _subscribe(self, request: protocol.Subscribe) -> None:
        chosen: set[str] = set()
        known = [device.id for device in self._hub.devices]
        for pattern in request.devices:
            if not _WILDCARDS.intersection(pattern) and pattern not in known:
                raise UnknownDevice(f"there is no device called {protocol.quote(pattern)}")
            chosen.update(fnmatch.filter(known, pattern))
        self._subscribed = None if len(chosen) == len(known) else frozenset(chosen)
        self._interval = request.interval
        self._next_push.clear()
        self._dirty.clear()
        if self._pace is not None:
            self._pace.cancel()
            self._pace = None
        self._snapshot_due = True
        self._reply(protocol.Result(request.id, ok=True))

    def _history(self, request: protocol.History) -> None:
        past = self._hub.history.query(self._hub.get(request.device), request.seconds)
        history = protocol.history_message(past)
        self._reply(protocol.Result(request.id, ok=True, history=history))

    def _chosen(self) -> list[Device]:
        subscribed = self._subscribed
        return [
            device for device in self._hub.devices if subscribed is None or device.id in subscribed
        ]

    def _snapshot(self) -> str:
        devices = [protocol.device_message(device) for device in self._chosen()]
        return protocol.encode(protocol.Snapshot(time.time(), self._describe(), devices))


def _state(device: Device) -> protocol.StateMessage:
    return protocol.state_message(device.id, device.state())
