"""Searching finds what `bytes.find` finds, across the borders of chunks."""

from __future__ import annotations

import random

import pytest

from tether import Buffer


def in_pieces(data: bytes, size: int) -> Buffer:
    buffer = Buffer()
    for start in range(0, len(data), size):
        buffer.append_reference(data[start : start + size])
    return buffer


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_it_finds_what_bytes_find(size: int) -> None:
    chance = random.Random(1)
    data = bytes(chance.choices(b"ab", k=200))
    buffer = in_pieces(data, size)
    for _ in range(2000):
        wanted = bytes(chance.choices(b"ab", k=chance.randrange(10)))
        start, end = chance.randrange(-220, 220), chance.choice([None, chance.randrange(-220, 220)])
        assert buffer.find(wanted, start, end) == data.find(wanted, start, end)


def test_long_patterns() -> None:
    chance = random.Random(2)
    data = bytes(chance.choices(b"ab", k=5000))
    buffer = in_pieces(data, 77)
    for start in range(0, 4000, 501):
        assert buffer.find(data[start : start + 900]) == start
    assert buffer.find(data[:900] + b"c") == -1
    assert buffer.find(data) == 0
    assert buffer.find(data + b"a") == -1


def test_a_pattern_that_nearly_fits_everywhere() -> None:
    buffer = in_pieces(b"a" * 100_000, 10)
    assert buffer.find(b"a" * 50_000 + b"b") == -1  # five thousand million steps, if it went back
    buffer.append(b"b")
    assert buffer.find(b"a" * 50_000 + b"b") == 50_000


def test_a_search_goes_on_where_another_ended() -> None:
    buffer = in_pieces(b"x" * 99 + b"\n", 1)
    for _ in range(9):
        buffer.append(buffer)
    buffer = in_pieces(bytes(buffer), 1)
    found, places = -1, []
    while (found := buffer.find(b"\n", found + 1)) >= 0:
        places.append(found)
    assert places == list(range(99, len(buffer), 100))


def test_a_place_that_is_gone_is_not_gone_on_from() -> None:
    buffer, other = in_pieces(b"abcdefghij", 1), Buffer()
    assert buffer.find(b"h") == 7
    buffer.drain(5)
    assert buffer.find(b"h", 1) == 2
    buffer.drain(4)
    assert buffer.find(b"j") == 0
    buffer.prepend(b"xyz")
    assert buffer.find(b"j", 2) == 3
    buffer.move_to(other, 2)
    assert buffer.find(b"j") == 1
    buffer.contiguous().release()
    assert buffer.find(b"j", 1) == 1
    buffer.clear()
    assert buffer.find(b"j") == -1
    buffer.append(b"j")
    assert buffer.find(b"j") == 0


def test_in() -> None:
    buffer = in_pieces(b"one two", 2)
    assert b"e t" in buffer
    assert b"ee" not in buffer


def test_a_number_that_changes_the_buffer_when_it_is_asked_for() -> None:
    buffer = Buffer(b"abcdef" * 1000)

    class Number:
        def __index__(self) -> int:
            buffer.clear()
            return 5000

    assert buffer.find(b"a", Number()) == -1  # type: ignore[arg-type]
    buffer.append(b"abc")
    assert buffer.tobytes(0, Number()) == b""  # type: ignore[arg-type]
    buffer.append(b"abc")
    assert buffer.read(Number()) == b""  # type: ignore[arg-type]
    buffer.append(b"abc")
    assert buffer.peek(Number()) == ()  # type: ignore[arg-type]
    buffer.append(b"abc")
    with pytest.raises(ValueError, match="there are 0 bytes"):
        buffer.contiguous(Number())  # type: ignore[arg-type]
    buffer.append(b"abc")
    assert buffer.readline(limit=Number()) is None  # type: ignore[arg-type]
