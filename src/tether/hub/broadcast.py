"""Changes of devices on their way to the sessions: gathered, encoded once, handed to each.

It must not know sockets or the wire's requests; a session is whoever has `changed`.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from msgspec import Raw

from tether.hub import protocol
from tether.hub.commands import Owner
from tether.hub.devices.model import Device
from tether.hub.devices.registry import Registry

__all__ = ["Broadcast", "Listening"]


class Listening(Protocol):
    """Who is told of changes."""

    def changed(self, devices: tuple[str, ...]) -> None:
        """Take note of devices that changed; what they changed to is asked with `push`."""

    def failed(self, cause: Exception) -> None:
        """Take the exception that `changed` raised; nobody else has to suffer for it."""


class Broadcast:
    """Tells every session of changes, once a pass of the loop however many there were.

    The state of a device is encoded once per change, and a push once per set of devices, however
    many sessions there are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._sessions: Final[dict[Listening, None]] = {}
        self._changed: dict[str, Device] = {}
        self._encoded: Final[dict[str, Raw]] = {}
        self._pushes: Final[dict[tuple[str, ...], str]] = {}
        self._scope: Owner | None = None

    def __len__(self) -> int:
        """How many sessions are told."""
        return len(self._sessions)

    def start(self, scope: Owner) -> None:
        """Tell of changes until the scope closes."""
        self._scope = scope
        remove = self._registry.listen(self._note)
        scope.on_close(lambda _: remove())

    def add(self, session: Listening) -> None:
        """Tell this one too from now on."""
        self._sessions[session] = None

    def remove(self, session: Listening) -> None:
        """Tell this one no more; allowed at any time, and twice."""
        self._sessions.pop(session, None)

    def push(self, devices: tuple[str, ...]) -> str:
        """Write the message with the latest state of these devices."""
        message = self._pushes.get(devices)
        if message is None:
            states = [self._latest(device) for device in devices]
            message = protocol.encode_states(time.time(), states)
            self._pushes[devices] = message
        return message

    def _latest(self, device_id: str) -> Raw:
        encoded = self._encoded.get(device_id)
        if encoded is None:
            state = self._registry.get(device_id).state()
            encoded = protocol.encode_state(protocol.state_message(device_id, state))
            self._encoded[device_id] = encoded
        return encoded

    def _note(self, device: Device) -> None:
        # What was encoded is stale from this moment, also for a session that asks before the tick.
        self._encoded.pop(device.id, None)
        self._pushes.clear()
        if not self._changed and self._scope is not None and self._scope.state == "open":
            self._scope.after(0, self._tell)
        self._changed[device.id] = device

    def _tell(self) -> None:
        changed = tuple(self._changed)
        self._changed.clear()
        for session in tuple(self._sessions):
            if session not in self._sessions:
                # It left while others were told.
                continue
            try:
                session.changed(changed)
            except Exception as error:
                session.failed(error)
        # A push says when it was written: the next one is written anew.
        self._pushes.clear()
