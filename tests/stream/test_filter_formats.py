"""The filters that come with tether: compression, and lines."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest

import tether
from tether.filters import Gzip, Line


def received(pieces: list[bytes], pushed: tether.Filter) -> list[bytes] | BaseException:
    """What a stream with that filter receives, call by call, or why it ended."""

    async def main() -> list[bytes] | BaseException:
        near, far = tether.pair()
        calls: list[bytes] = []
        far.push(pushed)
        far.on_data(calls.append)
        for piece in pieces:
            near.send(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        near.close()
        await far.wait_closed()
        return calls if far.error is None else far.error

    return tether.run(main())


WORDS = b"many words, and many of them are the same words " * 3000


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("window", [31, 15, -15, 9, 25])
def test_what_zlib_made_is_inflated(window: int, size: int) -> None:
    deflating = zlib.compressobj(6, zlib.DEFLATED, window)
    data = deflating.compress(WORDS) + deflating.flush()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    calls = received(pieces, Gzip(window=window))
    assert isinstance(calls, list)
    assert b"".join(calls) == WORDS


def test_zlib_inflates_what_is_sent() -> None:
    async def main() -> None:
        near, far = tether.pair()
        near.push(Gzip(level=9))
        near.send(WORDS)
        near.close()
        data = b""
        while piece := await far.read():
            data += piece
        assert gzip.decompress(data) == WORDS
        assert len(data) < len(WORDS) / 100
        far.close()

    tether.run(main())


def test_a_stream_of_several_members() -> None:
    members = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two")
    calls = received([members[:25], members[25:]], Gzip())
    assert isinstance(calls, list)
    assert b"".join(calls) == b"onetwo"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no gzip at all", "incorrect header"),
        (gzip.compress(b"hello")[:-1], "cut short"),
        (gzip.compress(b"hello")[:-5] + b"\0\0\0\0\0", "incorrect data check"),
        (gzip.compress(b"hello") + b"tail", "incorrect header"),
    ],
)
def test_what_is_broken_is_a_protocol_error(data: bytes, why: str) -> None:
    error = received([data], Gzip())
    assert isinstance(error, tether.ProtocolError)
    assert why in str(error)


def test_nothing_is_an_empty_stream() -> None:
    assert received([], Gzip()) == []


@pytest.mark.parametrize(
    ("end", "pieces", "lines"),
    [
        ("crlf", [b"a\r\nb\r\n"], [b"a\n", b"b\n"]),
        ("crlf", [b"a\r", b"\nb", b"\r\n"], [b"a\n", b"b\n"]),
        ("crlf", [b"a\nb\rc\r\n"], [b"a\nb\rc\n"]),
        ("crlf", [b"\r\n\r\n"], [b"\n", b"\n"]),
        ("lf", [b"a\r\nb\n"], [b"a\r\n", b"b\n"]),
        ("any", [b"a\r\nb\n\n"], [b"a\n", b"b\n", b"\n"]),
        ("any", [b"a\r", b"\nb\rc\n"], [b"a\n", b"b\rc\n"]),
        ("nul", [b"a\nb\0c\0"], [b"a\nb\n", b"c\n"]),
        ("lf", [b"a\nnot yet"], [b"a\n", b"not yet"]),
        ("crlf", [b"12345678\r\n", b"12345678", b"\r", b"\n"], [b"12345678\n"] * 2),
    ],
)
def test_each_call_has_one_line(end: Any, pieces: list[bytes], lines: list[bytes]) -> None:
    assert received(pieces, Line(end, limit=8)) == lines


@pytest.mark.parametrize("end", ["crlf", "lf", "nul", "any"])
@pytest.mark.parametrize("pieces", [[b"123456789"], [b"12345", b"6789"], [b"123456789\r\n\n\0"]])
def test_a_line_that_is_too_long(end: Any, pieces: list[bytes]) -> None:
    error = received(pieces, Line(end, limit=8))
    assert isinstance(error, tether.ProtocolError)
    assert "more than 8 bytes" in str(error)


@pytest.mark.parametrize(
    ("end", "wire"), [("crlf", b"a\r\n\r\nb"), ("lf", b"a\n\nb"), ("nul", b"a\0\0b")]
)
def test_what_is_sent_gets_the_end_of_the_protocol(end: Any, wire: bytes) -> None:
    async def main() -> None:
        near, far = tether.pair()
        near.push(Line(end))
        near.send(b"a\n")
        near.send(b"\nb")
        assert await far.readexactly(len(wire)) == wire
        near.close()
        far.close()

    tether.run(main())


@pytest.mark.parametrize(
    "wrong",
    [lambda: Line("cr"), lambda: Line(limit=0), lambda: Gzip(level=10), lambda: Gzip(window=8)],  # type: ignore[arg-type]
)
def test_what_they_refuse(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"no such|or more|-1 to 9"):
        wrong()
