# How the process logs: one line a record, as text or as JSON, nothing in it that could forge
# another line. Must not know who logs; fields come in through logging's own `extra`.
"""Logging: `setup(level, json=...)`, and the two formatters."""

from __future__ import annotations

import json as json_format
import logging
import re
import sys
import time
from typing import Any, TextIO

# C0, DEL, C1, the line separators, the marks that turn the direction of text, lone surrogates
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_HANDLER = "tether log"


def escape(text: str) -> str:
    """The text with every control character written out, so that it stays on its line.

    >>> escape("led\\n2026-01-01 forged")
    'led\\\\x0a2026-01-01 forged'
    """
    return _UNSAFE.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _moment(record: logging.LogRecord) -> str:
    """UTC with milliseconds, as RFC 3339 writes it."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class TextFormatter(logging.Formatter):
    """`2026-01-01T12:00:00.000Z INFO tether.hub: sampling began devices=4`.

    A traceback follows on lines that begin with `  | `, so that nothing in it passes for a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        head = f"{_moment(record)} {record.levelname} {record.name}: {record.getMessage()}"
        line = escape(head)
        for key, value in _fields(record).items():
            line += f" {escape(key)}={_bare(value)}"
        for block in _trouble(self, record):
            line += "".join(f"\n  | {escape(part)}" for part in block.split("\n"))
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and what came as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON, in ASCII."""
        line: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in _fields(record).items():
            line.setdefault(key, value)
        trouble = _trouble(self, record)
        if trouble:
            line["trace"] = "\n".join(trouble)
        text = json_format.dumps(line, default=str, skipkeys=True)
        return text.replace("\x7f", "\\u007f")


def _bare(value: object) -> str:
    """A field's value: as it is where it is one plain word, else quoted."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "-"}[value]
    text = escape(str(value))
    if text and not re.search(r'[\s"=]', text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _trouble(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    blocks = []
    if record.exc_info and record.exc_info[0] is not None:
        blocks.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        blocks.append(formatter.formatStack(record.stack_info))
    return blocks


def setup(
    level: str = "info", *, json: bool = False, stream: TextIO | None = None
) -> logging.Handler:
    """Log everything of that level and above to `stream` (standard error); returns the handler.

    Calling it again replaces what the last call set up, and nothing else.

    >>> import io
    >>> stream = io.StringIO()
    >>> handler = setup(stream=stream)
    >>> logging.getLogger("tether.example").info("hello", extra={"peer": "a b"})
    >>> print(stream.getvalue()[25:], end="")
    INFO tether.example: hello peer="a b"
    >>> logging.getLogger().removeHandler(handler)
    """
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.get_name() == _HANDLER]:
        root.removeHandler(old)
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.set_name(_HANDLER)
    handler.setFormatter(JsonFormatter() if json else TextFormatter())
    root.addHandler(handler)
    root.setLevel(level.upper())
    return handler
