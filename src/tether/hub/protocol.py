"""The messages of `tether.v1`: what a client may say, what the server answers, as JSON and back.

It must not know sessions, sockets or drivers: bytes and text in, structs out, and the other way.
`docs/protocol.md` says the same in words and `docs/asyncapi.yaml` as a schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tether.hub.devices.model import Device, State
from tether.hub.history.memory import Slice

__all__ = [
    "SUBPROTOCOL",
    "CommandUpdate",
    "DeviceMessage",
    "ErrorMessage",
    "Failure",
    "Get",
    "History",
    "HistoryMessage",
    "Identifier",
    "Ping",
    "Request",
    "RequestError",
    "Result",
    "ServerMessage",
    "Set",
    "Snapshot",
    "StateMessage",
    "States",
    "Subscribe",
    "decode",
    "decode_value",
    "device_message",
    "encode",
    "encode_state",
    "encode_states",
    "history_message",
    "quote",
    "state_message",
]

SUBPROTOCOL: Final = "tether.v1"
"""The WebSocket subprotocol that a client offers."""

# A browser holds whole numbers exactly up to 2**53 only: a larger id would come back as another.
_LARGEST_ID: Final = 2**53
_LONGEST_ID: Final = 64
_LONGEST_NAME: Final = 128
_MOST_PATTERNS: Final = 64
_LONGEST_INTERVAL: Final = 3600.0
_LONGEST_HISTORY: Final = 366 * 24 * 3600.0
# How much of what a client sent is repeated to it in an error.
_LONGEST_QUOTE: Final = 64

Identifier = (
    Annotated[int, msgspec.Meta(ge=-_LARGEST_ID, le=_LARGEST_ID)]
    | Annotated[str, msgspec.Meta(max_length=_LONGEST_ID)]
)
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_NAME)]


class Set(Struct, tag_field="type", tag="set", frozen=True):
    """Ask for a new value. `not_after`: server time (Unix seconds) after which it is void."""

    id: Identifier
    device: Name
    value: bool | int | float
    not_after: float | None = None


class Get(Struct, tag_field="type", tag="get", frozen=True):
    """Ask for the state of one device."""

    id: Identifier
    device: Name


class Subscribe(Struct, tag_field="type", tag="subscribe", frozen=True):
    """Choose the devices (globs) and the least seconds between two pushes of the same device."""

    id: Identifier
    devices: Annotated[list[Name], msgspec.Meta(max_length=_MOST_PATTERNS)] = msgspec.field(
        default_factory=lambda: ["*"]
    )
    interval: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_INTERVAL)] = 0.0


class History(Struct, tag_field="type", tag="history", frozen=True):
    """Ask for the last `seconds` of one device."""

    id: Identifier
    device: Name
    seconds: Annotated[float, msgspec.Meta(gt=0, le=_LONGEST_HISTORY)] = 3600.0


class Ping(Struct, tag_field="type", tag="ping", frozen=True):
    """Ask whether the server is there, and for its clock."""

    id: Identifier


Request = Set | Get | Subscribe | History | Ping


class StateMessage(Struct, frozen=True):
    """The state of a device. `time`: Unix seconds of the value, 0 when there never was one."""

    device: str
    value: bool | int | float | None
    status: str
    time: float
    reason: str = ""


class DeviceMessage(Struct, frozen=True):
    """A device as the snapshot and `/api/devices` describe it. Intervals are in seconds."""

    id: str
    name: str
    kind: str
    unit: str
    device_class: str
    simulated: bool
    writable: bool
    minimum: float | None
    maximum: float | None
    interval: float
    expire_after: float | None
    state: StateMessage


class ServerMessage(Struct, frozen=True):
    """Who answers. `started`: Unix seconds."""

    name: str
    version: str
    started: float


class Snapshot(Struct, tag_field="type", tag="snapshot", frozen=True):
    """All that a session is subscribed to; the first message of every connection."""

    time: float
    server: ServerMessage
    devices: list[DeviceMessage]


class States(Struct, tag_field="type", tag="states", frozen=True):
    """Devices that changed since the last push, each once, with its latest state."""

    time: float
    states: list[StateMessage]


class Failure(Struct, frozen=True):
    """Why something did not work: a code for programs, a sentence for people."""

    code: str
    message: str


class CommandUpdate(Struct, tag_field="type", tag="command", frozen=True):
    """How far a command got: `queued`, then `sent`."""

    id: Identifier
    status: str


class HistoryMessage(Struct, frozen=True):
    """Points of a device from `start` on; incomplete where the server did not see all of it."""

    device: str
    complete: bool
    start: float = msgspec.field(name="from")
    points: list[tuple[float, bool | int | float | None]] = msgspec.field(default_factory=list)


class Result(Struct, tag_field="type", tag="result", frozen=True):
    """The one final answer to a request. Of the optional fields only those that apply are sent."""

    id: Identifier
    ok: bool
    status: str | UnsetType = UNSET
    state: StateMessage | UnsetType = UNSET
    history: HistoryMessage | UnsetType = UNSET
    time: float | UnsetType = UNSET
    error: Failure | UnsetType = UNSET


class ErrorMessage(Struct, tag_field="type", tag="error", frozen=True):
    """The answer to something that carried no readable id."""

    id: Identifier | None
    error: Failure


class RequestError(Exception):
    """A request that could not be read. `identifier` is `None` where not even that could be."""

    def __init__(self, code: str, message: str, identifier: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.identifier = identifier

    def reply(self) -> Result | ErrorMessage:
        """Build the answer that goes back for it."""
        failure = Failure(self.code, self.message)
        if self.identifier is None:
            return ErrorMessage(None, failure)
        return Result(self.identifier, ok=False, error=failure)


_requests: Final = msgspec.json.Decoder(Request)
_outlines: Final = msgspec.json.Decoder(dict[str, Raw])
_identifier: Final[msgspec.json.Decoder[int | str]] = msgspec.json.Decoder(Identifier)
_known_types: Final = ("set", "get", "subscribe", "history", "ping")
_encoder: Final = msgspec.json.Encoder()


def decode(message: str | bytes) -> Request:
    """Read one message of a client.

    Raises `RequestError` with code `bad_json`, `bad_request` or `unknown_type`.

    >>> decode('{"id": 1, "type": "get", "device": "cpu"}')
    Get(id=1, device='cpu')
    >>> decode('{"id": 1, "type": "dance"}')
    Traceback (most recent call last):
    ...
    tether.hub.protocol.RequestError: unknown type 'dance'; known are set, get, subscribe, \
history, ping
    """
    if not isinstance(message, str):
        raise RequestError("bad_json", "binary frame: send JSON in a text frame")
    try:
        request: Request = _requests.decode(message)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _explain(message, error) from None
    return request


def _explain(message: str, cause: Exception) -> RequestError:
    # msgspec stops at the first fault, so whether it is JSON at all is looked at again.
    try:
        document = _outlines.decode(message)
    except msgspec.ValidationError:
        return RequestError("bad_json", "expected a JSON object")
    except RecursionError:
        return RequestError("bad_json", "nested too deeply")
    except msgspec.DecodeError as error:
        return RequestError("bad_json", f"not JSON: {_sentence(error)}")
    identifier = _readable_identifier(document.get("id"))
    try:
        kind = msgspec.json.decode(document["type"], type=str)
    except (KeyError, msgspec.ValidationError):
        return RequestError("bad_request", "type: expected a string", identifier)
    if kind not in _known_types:
        known = ", ".join(_known_types)
        return RequestError(
            "unknown_type", f"unknown type {quote(kind)}; known are {known}", identifier
        )
    return RequestError("bad_request", _sentence(cause), identifier)


def _readable_identifier(raw: Raw | None) -> int | str | None:
    if raw is None:
        return None
    try:
        return _identifier.decode(raw)
    except msgspec.ValidationError:
        return None


def _sentence(error: Exception) -> str:
    # "Expected `bool`, got `str` - at `$.value`" becomes "value: expected bool, got str".
    text, _, path = str(error).replace("`", "").partition(" - at $")
    text = text.removeprefix("JSON is malformed: ").replace("Object missing", "missing")
    path = path.lstrip(".")
    text = text[:1].lower() + text[1:]
    return f"{path}: {text}" if path else text


def quote(text: str) -> str:
    """Quote what somebody else sent, cut to a length that is safe to send back and to log.

    >>> quote("a" * 100)[-3:]
    "a…'"
    """
    shown = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
    return repr(shown)


class _Value(Struct):
    value: bool | int | float


_values: Final = msgspec.json.Decoder(_Value)


def decode_value(body: bytes) -> bool | int | float:
    """Read the body of `POST /api/devices/{id}`, which is `{"value": ...}`.

    Raises `RequestError` with code `bad_json` or `bad_request`.

    >>> decode_value(b'{"value": true}')
    True
    """
    try:
        return _values.decode(body).value
    except msgspec.ValidationError as error:
        raise RequestError("bad_request", _sentence(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError("bad_json", f"not JSON: {_sentence(error)}") from None
    except RecursionError:
        raise RequestError("bad_json", "nested too deeply") from None


def state_message(device_id: str, state: State) -> StateMessage:
    """Put a state of the model into the form that goes over the wire."""
    return StateMessage(device_id, state.value, state.status.value, state.time, state.reason)


def device_message(device: Device) -> DeviceMessage:
    """Describe a device with its state now."""
    return DeviceMessage(
        id=device.id,
        name=device.name,
        kind=device.kind.value,
        unit=device.unit,
        device_class=device.device_class,
        simulated=device.simulated,
        writable=device.writable,
        minimum=device.minimum,
        maximum=device.maximum,
        interval=device.interval,
        expire_after=device.expire_after,
        state=state_message(device.id, device.state()),
    )


def history_message(past: Slice) -> HistoryMessage:
    """Put a slice of the history into the form that goes over the wire."""
    return HistoryMessage(past.device, past.complete, past.start, past.points)


def encode(
    message: Snapshot | States | Result | CommandUpdate | ErrorMessage,
) -> str:
    """Write a message as the text of one frame; it may be sent to any number of sessions.

    >>> encode(CommandUpdate(1, "queued"))
    '{"type":"command","id":1,"status":"queued"}'
    """
    return _encoder.encode(message).decode()


class _EncodedStates(Struct, tag_field="type", tag="states", frozen=True):
    time: float
    states: list[Raw]


def encode_state(message: StateMessage) -> Raw:
    """Encode one state, to be put into any number of pushes as it is."""
    return Raw(_encoder.encode(message))


def encode_states(now: float, states: Iterable[Raw]) -> str:
    """Write a push from states that are encoded already.

    >>> encode_states(2.0, [encode_state(StateMessage("led", True, "ok", 1.0))])
    '{"type":"states","time":2.0,"states":[{"device":"led","value":true,"status":"ok","time":1.0,\
"reason":""}]}'
    """
    return _encoder.encode(_EncodedStates(now, list(states))).decode()
