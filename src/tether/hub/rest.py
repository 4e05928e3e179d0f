"""The HTTP face of the hub: devices, commands and history as JSON under `/api/`.

It must not know WebSockets or pages. Messages and error codes are those of `tether.v1`.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import Any, Final

import msgspec

from tether.config.metrics import Counter
from tether.config.settings import LimitSettings
from tether.hub import audit, protocol
from tether.hub.access import TokenBucket
from tether.hub.commands import Command, Stage
from tether.hub.devices.model import DeviceError
from tether.hub.hub import Hub

__all__ = ["STATUS_OF", "Answer", "Rest"]

STATUS_OF: Final = {
    "bad_json": 400,
    "bad_request": 400,
    "unknown_device": 404,
    "not_writable": 405,
    "out_of_range": 422,
    "rate_limited": 429,
    "failed": 502,
    "busy": 503,
    "unavailable": 503,
    "timed_out": 504,
}
"""The HTTP status that goes with each error code of `tether.v1`."""

# How many addresses are remembered for the rate of commands; the oldest is let go.
_MOST_CLIENTS: Final = 4096
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_LONGEST_HISTORY: Final = 366 * 24 * 3600.0


class Answer(msgspec.Struct, frozen=True):
    """A status, a body that becomes JSON, and headers beyond the usual ones."""

    status: int
    body: Any
    headers: dict[str, str] = {}


class _Devices(msgspec.Struct, frozen=True):
    time: float
    devices: list[protocol.DeviceMessage]


class _Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    ok: bool
    status: str = ""
    state: protocol.StateMessage | None = None
    error: protocol.Failure | None = None


class Rest:
    """Answers what is asked under `/api/`. Used on the loop's thread only."""

    def __init__(self, hub: Hub, *, limits: LimitSettings, refused: Counter) -> None:
        self._hub = hub
        self._limits = limits
        self._refused = refused
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def devices(self) -> Answer:
        """Describe all devices with their states."""
        described = [protocol.device_message(device) for device in self._hub.devices]
        return Answer(200, _Devices(time.time(), described))

    def device(self, device_id: str) -> Answer:
        """Describe one device with its state."""
        try:
            return Answer(200, protocol.device_message(self._hub.get(device_id)))
        except DeviceError as error:
            return failure(error.code, str(error))

    def history(self, device_id: str, seconds: str | None) -> Answer:
        """Tell the last `seconds` of one device, an hour where it was not said."""
        if seconds is None:
            wanted = 3600.0
        elif _SECONDS.fullmatch(seconds) and 0 < float(seconds) <= _LONGEST_HISTORY:
            wanted = float(seconds)
        else:
            return failure(
                "bad_request", f"seconds: expected more than 0 and at most {_LONGEST_HISTORY:.0f}"
            )
        try:
            past = self._hub.history.query(self._hub.get(device_id), wanted)
        except DeviceError as error:
            return failure(error.code, str(error))
        return Answer(200, protocol.history_message(past))

    async def command(
        self,
        device_id: str,
        body: bytes,
        *,
        content_type: str,
        client: str,
        sender: str,
    ) -> Answer:
        """Carry out a command and wait for its end; `client` is whose rate it counts against."""
        if content_type.partition(";")[0].strip().lower() != "application/json":
            # Pages of other sites can post plain text without being asked, but not this.
            error = protocol.Failure("bad_request", "Content-Type: expected application/json")
            return Answer(415, _Outcome(ok=False, status="failed", error=error))
        try:
            value = protocol.decode_value(body)
        except protocol.RequestError as error:
            return failure(error.code, error.message)
        bucket = self._bucket(client)
        if not bucket.take(time.monotonic()):
            self._refused.add()
            if bucket.refused == 1:
                # A flood is one line, else it would be a way to fill the disk.
                audit.record_refusal(sender, device_id, value, "rate_limited")
            wait = bucket.wait()
            return failure("rate_limited", f"too many commands; wait {wait:.1f} s", wait=wait)
        try:
            command = self._hub.command(device_id, value, sender=sender, listener=_followed)
        except DeviceError as error:
            audit.record_refusal(sender, device_id, value, error.code)
            return failure(error.code, str(error), wait=1.0 if error.code == "busy" else 0.0)
        try:
            await command.wait()
        finally:
            # The client left: what was not sent yet is not carried out.
            if command.cancel():
                audit.record(command)
        return _ended(command)

    def _bucket(self, client: str) -> TokenBucket:
        bucket = self._buckets.pop(client, None)
        if bucket is None:
            limits = self._limits
            bucket = TokenBucket(limits.commands_per_second, limits.command_burst)
            if len(self._buckets) >= _MOST_CLIENTS:
                self._buckets.popitem(last=False)
        self._buckets[client] = bucket
        return bucket


def _followed(command: Command) -> None:
    # Not where it is waited for: one that was sent ends also when nobody waits any more.
    if command.ended:
        audit.record(command)


def _ended(command: Command) -> Answer:
    if command.stage is Stage.DONE and command.state is not None:
        state = protocol.state_message(command.device.id, command.state)
        return Answer(200, _Outcome(ok=True, status=command.stage.value, state=state))
    error = protocol.Failure(command.code, command.message)
    outcome = _Outcome(ok=False, status=command.stage.value, error=error)
    return Answer(STATUS_OF.get(command.code, 502), outcome)


def failure(code: str, message: str, *, wait: float = 0.0) -> Answer:
    """Build the answer for an error code; `wait` in seconds says when to try again."""
    headers = {"Retry-After": str(max(1, round(wait + 0.5)))} if wait else {}
    if code == "not_writable":
        headers["Allow"] = "GET, HEAD"
    outcome = _Outcome(ok=False, status="failed", error=protocol.Failure(code, message))
    return Answer(STATUS_OF[code], outcome, headers)
