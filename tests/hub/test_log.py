"""The log: one record stays one line, whatever is in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from tether.config.log import escape, setup


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


FORGERY = "led\n2026-01-01T00:00:00.000Z INFO tether: all is well\x1b[2J\x7f\x9b\u2028\u202e\r"


def test_control_characters_are_written_out() -> None:
    assert escape(FORGERY) == (
        r"led\x0a2026-01-01T00:00:00.000Z INFO tether: all is well\x1b[2J\x7f\x9b\u2028\u202e\x0d"
    )
    assert escape("25 °C, grün") == "25 °C, grün"


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_logged_makes_a_second_record(stream: io.StringIO, as_json: bool) -> None:
    setup(json=as_json, stream=stream)
    log = logging.getLogger("tether.test")
    log.info("message %s", FORGERY, extra={"peer": FORGERY, FORGERY: 1})
    assert len(stream.getvalue().splitlines()) == 1
    assert all(character.isprintable() for character in stream.getvalue().removesuffix("\n"))


def test_a_traceback_cannot_pass_for_records(stream: io.StringIO) -> None:
    setup(stream=stream)
    try:
        raise ValueError(FORGERY)
    except ValueError:
        logging.getLogger("tether.test").exception("it failed")
    first, *rest = stream.getvalue().removesuffix("\n").split("\n")
    assert first.endswith("ERROR tether.test: it failed")
    assert len(rest) > 3
    assert all(line.startswith("  | ") for line in rest)


def test_fields_of_a_record_are_kept_apart(stream: io.StringIO) -> None:
    setup(stream=stream)
    extra = {"device": "led-green", "reason": 'it is "gone"', "value": True, "before": None}
    logging.getLogger("tether.test").warning("lost", extra=extra)
    line = stream.getvalue()
    assert line.endswith(
        'WARNING tether.test: lost device=led-green reason="it is \\"gone\\"" value=true before=-\n'
    )


def test_json_lines_are_json(stream: io.StringIO) -> None:
    setup(json=True, stream=stream)
    try:
        raise OSError("no board")
    except OSError:
        logging.getLogger("tether.test").exception("lost", extra={"device": "led", "value": 1.5})
    line = json.loads(stream.getvalue())
    assert line["level"] == "error"
    assert line["logger"] == "tether.test"
    assert line["message"] == "lost"
    assert (line["device"], line["value"]) == ("led", 1.5)
    assert "OSError: no board" in line["trace"]


def test_level_and_repeated_setup(stream: io.StringIO) -> None:
    setup("debug", stream=io.StringIO())
    setup("warning", stream=stream)
    log = logging.getLogger("tether.test")
    log.info("not this")
    log.warning("this once")
    assert stream.getvalue().count("\n") == 1
    assert "this once" in stream.getvalue()
