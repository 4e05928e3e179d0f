"""The record of commands: who, what, from where, before and after, result; one log line each.

It must not know the wire or the session; it writes to the logger `tether.audit`, as fields.
"""

from __future__ import annotations

import logging
from typing import Final

from tether.hub.commands import Command
from tether.hub.devices.model import Value

__all__ = ["record", "record_refusal"]

_log: Final = logging.getLogger("tether.audit")

# Larger than any device takes; what is beyond would only fill the log with digits.
_LARGEST: Final = 2**63


def record(command: Command) -> None:
    """Write down a command that came to its end, one that was cancelled too.

    `before` is the device's value when the command came, `after` the one that was read back,
    None where it was not; `seconds` is the time from the one to the other.
    """
    fields: dict[str, object] = {
        "sender": command.sender,
        "device": command.device.id,
        "value": command.value,
        "before": command.before.value,
        "after": None if command.state is None else command.state.value,
        "result": command.stage.value,
        "seconds": round(command.elapsed, 4),
    }
    if command.message:
        fields["error"] = command.message
    _log.info("command", extra=fields)


def record_refusal(sender: str, device: str, value: Value, code: str) -> None:
    """Write down a command that was not even queued; `code` is the error code of the wire."""
    shown = value if abs(value) < _LARGEST else "(beyond all range)"
    refusal = {"sender": sender, "device": device, "value": shown, "result": "refused"}
    _log.info("command", extra=refusal | {"error": code})
