"""Lines end as they are said to, wherever the bytes were divided; none is looked through twice."""

from __future__ import annotations

import re
from typing import Literal

import pytest

from tether import Buffer

End = Literal["lf", "crlf", "crlf-or-lf", "nul", "any"]

TEXT = b"one\r\ntwo\nthree\rfour\0\n\r\r\n\n\nfive\r\r\nsix"
PATTERNS: dict[End, bytes] = {
    "lf": rb"\n",
    "crlf": rb"\r\n",
    "crlf-or-lf": rb"\r?\n",
    "nul": rb"\0",
    "any": rb"\r\n|\r|\n",
}


@pytest.mark.parametrize("end", PATTERNS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_lines_of_a_text_that_comes_in_pieces(end: End, size: int, at_once: bool) -> None:
    buffer = Buffer()
    lines: list[bytes] = []
    for start in range(0, len(TEXT), size):
        buffer.append_reference(TEXT[start : start + size])
        while not at_once and (line := buffer.readline(end)) is not None:
            lines.append(line)
    while (line := buffer.readline(end)) is not None:
        lines.append(line)
    assert [*lines, bytes(buffer)] == re.split(PATTERNS[end], TEXT)


def test_a_cr_that_came_last_may_be_half_an_end() -> None:
    buffer = Buffer(b"one\r")
    assert buffer.readline("any") is None
    buffer.append(b"\n")
    assert buffer.readline("any") == b"one"
    buffer.append(b"two\r")
    assert buffer.readline("any") is None
    buffer.append(b"three")
    assert buffer.readline("any") == b"two"
    assert buffer == b"three"


def test_what_is_prepended_is_looked_through() -> None:
    buffer = Buffer(b"def")
    assert buffer.readline() is None
    buffer.prepend(b"abc\n")
    assert buffer.readline() == b"abc"
    assert buffer.readline() is None
    assert buffer.readline("crlf") is None
    buffer.append(b"\n")
    assert buffer.readline("crlf") is None
    assert buffer.readline() == b"def"


def test_what_was_taken_in_between_is_not_missed() -> None:
    buffer, other = Buffer(), Buffer()
    for piece in (b"abc", b"def", b"ghi"):
        buffer.append_reference(piece)
    assert buffer.readline() is None
    buffer.read(4)
    assert buffer.readline() is None
    buffer.move_to(other, 2)
    buffer.append_reference(b"\nrest\n")
    assert buffer.readline() == b"ghi"
    assert other.readline() is None
    buffer.move_to(other)
    assert other.readline() == b"efrest"


@pytest.mark.parametrize(
    ("end", "mark"),
    [("lf", b"\n"), ("crlf", b"\r\n"), ("crlf-or-lf", b"\r\n"), ("nul", b"\0"), ("any", b"\r\n")],
)
def test_a_line_may_have_as_many_bytes_as_its_limit(end: End, mark: bytes) -> None:
    buffer = Buffer(b"12345" + mark + b"123456" + mark)
    assert buffer.readline(end, 5) == b"12345"
    for _ in range(2):
        with pytest.raises(ValueError, match="longer than 5 bytes"):
            buffer.readline(end, 5)
    assert buffer.readline(end, 6) == b"123456"
    buffer.append(b"12345")
    assert buffer.readline(end, 5) is None
    buffer.append(b"6" * len(mark))
    with pytest.raises(ValueError, match="longer than 5 bytes"):
        buffer.readline(end, 5)
    assert buffer.readline(end, 10**30) is None


def test_an_empty_line_and_none() -> None:
    buffer = Buffer(b"\n\r\n")
    assert buffer.readline(limit=0) == b""
    assert buffer.readline(limit=0) == b""
    assert buffer.readline(limit=0) is None


def test_an_unknown_end_is_refused() -> None:
    with pytest.raises(ValueError, match="lf, crlf, crlf-or-lf, nul, any"):
        Buffer(b"a\n").readline("cr")  # type: ignore[arg-type]


def test_what_was_looked_through_in_vain_is_not_looked_through_again() -> None:
    buffer = Buffer()
    data = bytearray(b"x" * 3000)
    for _ in range(10):
        buffer.append_reference(data)
    assert buffer.readline() is None
    data[5] = 10  # behind its back
    assert buffer.readline() is None
    buffer.append(b"\n")
    line = buffer.readline()
    assert line is not None
    assert len(line) == 30_000
