# tether.toml: every table and key with its default and limits, and errors in a person's words.
# Must not know the hub: which drivers there are, and what each needs, is checked there.
"""Settings: `load(path)` reads and checks `tether.toml`; `ConfigError` says what is wrong."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, inspect

LARGEST_FILE = 1 << 20
"""Most bytes a configuration file may have."""

Seconds = Annotated[float, Meta(ge=0.1, le=86400, description="seconds from 0.1 to 86400")]
Name = Annotated[str, Meta(max_length=128, description="text of at most 128 characters")]
Word = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9_-]{1,64}\Z", description="1 to 64 of the characters a-z, 0-9, _ and -"),
]
HostName = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]+\])\Z",
        description='a host name or address without scheme and port, like "board.local"',
    ),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^https?://([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?\Z",
        description='an origin like "https://board.local:8443", without a path',
    ),
]


class ConfigError(ValueError):
    """The configuration is unfit; `str(error)` is one line that names file, key and problem.

    `file` and `key` (`devices[1].interval`) are "" where there is none; `line` and `column`, both
    from 1, are 0 unless the file is not TOML at all.

    >>> str(ConfigError("expected a number", file="tether.toml", key="devices[1].interval"))
    'tether.toml: devices[1].interval: expected a number'
    """

    def __init__(
        self, problem: str, *, file: str = "", key: str = "", line: int = 0, column: int = 0
    ) -> None:
        place = f"{file}:{line}:{column}" if line else file
        super().__init__(": ".join(part for part in (place, key, problem) if part))
        self.problem = problem
        self.file = file
        self.key = key
        self.line = line
        self.column = column


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: its keys are known, and it is not changed once it was read."""


class ServerSettings(Table, frozen=True):
    """`[server]`: where it listens, and to whom."""

    listen: str = "127.0.0.1:8080"
    """`host:port`, `[v6]:port` or `unix:path`; port 0 picks a free one."""
    hosts: tuple[HostName, ...] = ()
    """Further names clients may call the server by (the Host header)."""
    origins: tuple[Origin, ...] = ()
    """Further pages that may open the WebSocket, besides those of the server itself."""
    insecure: bool = False
    """Whether to serve other machines without TLS and a token."""
    max_connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 1024
    """Most connections at a time."""


class LogSettings(Table, frozen=True):
    """`[log]`: what is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    json: bool = False
    """One JSON object a line instead of text."""


class LimitSettings(Table, frozen=True):
    """`[limits]`: what one client or device can use up."""

    commands_per_second: Annotated[float, Meta(ge=0.1, le=10_000)] = 10.0
    """Commands a client may send, on average."""
    command_burst: Annotated[int, Meta(ge=1, le=10_000)] = 20
    """Commands a client may send at once after a rest."""
    commands_queued: Annotated[int, Meta(ge=1, le=10_000)] = 16
    """Commands that wait for one device, of all clients."""
    command_timeout: Annotated[float, Meta(ge=0.1, le=600)] = 5.0
    """Seconds from a command's arrival to its end."""
    message_bytes: Annotated[int, Meta(ge=1024, le=64 << 20)] = 64 << 10
    """Longest message of a client."""
    write_high: Annotated[int, Meta(ge=4096, le=64 << 20)] = 64 << 10
    """Bytes waiting for a client from which on it gets the latest values only."""
    write_low: Annotated[int, Meta(ge=0, le=64 << 20)] = 16 << 10
    """Bytes waiting at which a slow client counts as caught up."""
    slow_client: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    """Seconds a client may stay slow before it is disconnected."""


class HubSettings(Table, frozen=True):
    """`[hub]`: the devices as a whole."""

    name: Annotated[str, Meta(min_length=1, max_length=128)] = "tether"
    """What the server calls itself."""
    discover: bool = True
    """Whether to look for what the machine has, besides `[[devices]]`."""
    simulated: Literal["auto"] | bool = "auto"
    """The simulated board: always, never, or where no LED is found."""
    root: str = "/sys"
    """Where sysfs is."""
    read_timeout: Annotated[float, Meta(ge=0.05, le=60)] = 2.0
    """Seconds one reading may take before the device is unavailable."""
    history_seconds: Annotated[float, Meta(ge=1, le=86400)] = 3600.0
    """How far back the history in memory goes."""
    history_points: Annotated[int, Meta(ge=2, le=100_000)] = 7200
    """Most points kept per device (16 bytes each)."""


class DeviceSettings(Table, frozen=True):
    """One `[[devices]]`: a device and how it is reached."""

    id: Word
    driver: Word
    """`led`, `hwmon`, `thermal`, `machine`, `simulated`, or one that another package brings."""
    name: Name = ""
    """What people call it; the id where it is empty."""
    source: Annotated[str, Meta(max_length=256)] = ""
    """Which LED, chip, zone or reading; each driver has words of its own."""
    path: Annotated[str, Meta(max_length=4096)] = ""
    """A path in the file system, for drivers that want one."""
    kind: Literal["", "sensor", "switch", "light"] = ""
    """What can be done with it, where the driver leaves a choice."""
    unit: Annotated[str, Meta(max_length=16)] = ""
    device_class: Annotated[str, Meta(pattern=r"^[a-z0-9_]{0,64}\Z")] = ""
    interval: Seconds | None = None
    """Seconds between two readings."""
    expire_after: Seconds | None = None
    """Age in seconds at which a value no longer counts."""
    options: dict[str, Any] = {}
    """What a driver of another package wants to know."""


class Document(Table, frozen=True):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    limits: LimitSettings = LimitSettings()
    hub: HubSettings = HubSettings()
    devices: tuple[DeviceSettings, ...] = ()


class Settings(Document, frozen=True):
    """The whole file and where it came from; `Settings()` is all defaults.

    >>> Settings().server.listen
    '127.0.0.1:8080'
    """

    source: str = "defaults"
    """The file's name, for messages."""


def load(path: str | Path) -> Settings:
    """Read and check a configuration file. Raises ConfigError, for a missing file too."""
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ConfigError("there is no such file", file=name) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot be read: {reason}", file=name) from None
    if len(data) > LARGEST_FILE:
        raise ConfigError(f"is larger than {LARGEST_FILE} bytes", file=name)
    try:
        # editors on Windows put a mark in front that TOML does not know
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - before.rfind(b"\n")
        raise ConfigError("is not UTF-8 text", file=name, line=line, column=column) from None
    return parse(text, name)


def parse(text: str, source: str = "tether.toml") -> Settings:
    """Check the text of a configuration file. Raises ConfigError that names `source`.

    >>> parse("[hub]\\nsimulated = true").hub.simulated
    True
    >>> parse("[limits]\\nwrite_hihg = 1")
    Traceback (most recent call last):
    ...
    tether.config.settings.ConfigError: tether.toml: limits.write_hihg: there is no such key; \
did you mean write_high?
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text, source) from None
    except RecursionError:
        raise ConfigError("is nested too deeply", file=source) from None
    try:
        document = msgspec.convert(raw, Document)
    except msgspec.ValidationError as error:
        raise _unfit(str(error), raw, source) from None
    settings = Settings(
        source=source, **{field: getattr(document, field) for field in Document.__struct_fields__}
    )
    _check(settings)
    return settings


def _syntax_error(error: tomllib.TOMLDecodeError, text: str, source: str) -> ConfigError:
    """The standard library says where only inside its message."""
    message = str(error)
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if found is None:
        return ConfigError(f"is not TOML: {message}", file=source)
    if found[1]:
        line, column = int(found[1]), int(found[2])
    else:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    problem = f"is not TOML: {message[: found.start()]}"
    return ConfigError(problem, file=source, line=line, column=column)


def _unfit(message: str, raw: dict[str, Any], source: str) -> ConfigError:
    """Say msgspec's message again: the key's path, what was expected, and what is there."""
    problem, _, where = message.rpartition(" - at `$")
    if not problem:
        problem, where = message, ""
    steps: list[str | int] = [
        int(index) if index else name for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", where)
    ]
    kind, value = _find(steps, raw)
    if unknown := re.search(r"unknown field `(.*)`", problem, re.DOTALL):
        known = [field.encode_name for field in getattr(kind, "fields", ())]
        close = difflib.get_close_matches(unknown[1], known, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        return ConfigError(
            f"there is no such key; {hint}", file=source, key=_path([*steps, unknown[1]])
        )
    if missing := re.search(r"missing required field `(.*)`", problem):
        return ConfigError("missing", file=source, key=_path([*steps, missing[1]]))
    return ConfigError(
        f"expected {_expected(kind)}, got {_shown(value)}", file=source, key=_path(steps)
    )


def _path(steps: list[str | int]) -> str:
    """`devices[1].interval`, with quotes around what TOML would want quoted."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]{1,64}", step) is not None
            text += ("." if text else "") + (step if bare else _shown(step))
    return text


def _find(steps: list[str | int], raw: object) -> tuple[inspect.Type, object]:
    """The type that belongs at a path, and the value that stands there."""
    kind: inspect.Type = inspect.type_info(Document)
    value = raw
    for step in steps:
        if isinstance(step, int) and isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, inspect.StructType):
            kind = next((f.type for f in kind.fields if f.encode_name == step), inspect.AnyType())
        if isinstance(value, list) and isinstance(step, int):
            value = value[step]
        elif isinstance(value, dict):
            value = value.get(step)
    return kind, value


def _expected(kind: inspect.Type) -> str:
    """A type in a person's words."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            return str((schema or {}).get("description") or _expected(inner))
        case inspect.UnionType(types=kinds):
            return " or ".join(_expected(k) for k in kinds if not isinstance(k, inspect.NoneType))
        case inspect.LiteralType(values=values):
            return " or ".join(f'"{value}"' for value in values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(ge=least, le=most):
            return f"a number from {least:g} to {most:g}"
        case inspect.StrType(min_length=low, max_length=high):
            return f"text of {low or 0} to {high} characters" if high else "text"
        case inspect.VarTupleType(item_type=inspect.StructType()):
            return "tables, each under [[...]]"
        case inspect.VarTupleType(item_type=item):
            return f"a list, each entry {_expected(item)}"
    return "a table"


def _shown(value: object) -> str:
    """A value of the file as the file writes it, cut short, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            text = msgspec.json.encode(value).decode()
            return text if len(text) <= 60 else f'{text[:57]}..."'
        case int() if abs(value) >= 10**18:
            return "a number of many digits"
        case int() | float():
            return str(value)
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
    return f"a {type(value).__name__}"


def _check(settings: Settings) -> None:
    """What no type says: keys that must fit each other, and addresses."""

    def refuse(key: str, problem: str) -> ConfigError:
        return ConfigError(problem, file=settings.source, key=key)

    if (problem := listen_problem(settings.server.listen)) is not None:
        raise refuse("server.listen", problem)
    limits = settings.limits
    if limits.write_low >= limits.write_high:
        raise refuse(
            "limits.write_low",
            f"expected less than write_high ({limits.write_high}), got {limits.write_low}",
        )
    seen: dict[str, int] = {}
    for index, device in enumerate(settings.devices):
        first = seen.setdefault(device.id, index)
        if first != index:
            raise refuse(f"devices[{index}].id", f'"{device.id}" is devices[{first}] already')


def listen_problem(address: str) -> str | None:
    """What is wrong with an address to listen on, None where nothing is.

    >>> listen_problem("127.0.0.1:0"), listen_problem("[::1]:8080"), listen_problem("unix:/run/t")
    (None, None, None)
    >>> listen_problem("localhost")
    'expected "host:port", "[v6]:port" or "unix:path", got "localhost"'
    """
    expected = f'expected "host:port", "[v6]:port" or "unix:path", got {_shown(address)}'
    if address.startswith("unix:"):
        return None if len(address) > len("unix:") and "\0" not in address else expected
    found = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[^\s:\[\]/]+):([0-9]{1,5})", address)
    if found is None:
        return expected
    if int(found[1]) > 65535:
        return f"expected a port from 0 to 65535, got {found[1]}"
    return None
