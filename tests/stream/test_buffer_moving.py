"""Bytes move between buffers: long ones without being copied, short ones into shared chunks."""

from __future__ import annotations

import sys

import pytest

from tether import Buffer


def test_all_or_some_of_the_bytes_move() -> None:
    first, second = Buffer(b"abcdef"), Buffer(b"x")
    assert first.move_to(second, 2) == 2
    assert (bytes(first), bytes(second)) == (b"cdef", b"xab")
    assert first.move_to(second, 0) == 0
    assert first.move_to(second) == 4
    assert (bytes(first), bytes(second)) == (b"", b"xabcdef")
    assert first.move_to(second) == 0
    first.append(b"more")
    assert first.move_to(second, 100) == 4
    assert second == b"xabcdefmore"


def test_long_bytes_stay_the_same_object() -> None:
    long = bytes(5000)
    first, second = Buffer(b"a"), Buffer(b"b")
    first.append(long)
    first.move_to(second)
    second.drain(2)
    assert second.read() is long


def test_moving_copies_no_long_bytes() -> None:
    first, second = Buffer(), Buffer()
    for _ in range(100):
        first.append(bytearray(65536))
    before = sys.getsizeof(first)
    first.move_to(second, 3_000_000)
    assert first.chunks + second.chunks <= 101  # the one that was divided lies where it lay
    assert sys.getsizeof(first) + sys.getsizeof(second) < before + 70_000
    first.move_to(second)
    assert second.chunks == 100
    assert second == bytes(6_553_600)


def test_a_buffer_goes_on_in_the_block_that_it_gave_away() -> None:
    first, second = Buffer(), Buffer()
    for number in range(20_000):
        first.append(b"%05d" % number)
        first.move_to(second)
    assert second.chunks < 30
    assert second == b"".join(b"%05d" % number for number in range(20_000))
    first.append(b"rest")
    assert first == b"rest"


def test_bytes_moved_one_by_one_share_chunks() -> None:
    first, second = Buffer(bytearray(range(256)) * 200), Buffer()
    while first:
        first.move_to(second, 1)
    assert second.chunks < 20
    assert second == bytes(range(256)) * 200
    first.append_reference(b"abc" * 1000)
    while first:
        first.move_to(second, 1)
    assert second.chunks < 21


def test_a_few_bytes_from_many_buffers_keep_no_blocks() -> None:
    into = Buffer()
    for _ in range(1000):
        one = Buffer(bytearray(65536))
        one.drain(65535)
        one.move_to(into)
        two = Buffer(bytearray(65536))
        two.move_to(into, 1)
    assert into.chunks < 5
    assert sys.getsizeof(into) < 20_000
    assert into == bytes(2000)


def test_what_is_written_after_a_move_is_nobody_elses() -> None:
    first, second = Buffer(bytearray(b"x" * 3000)), Buffer()
    first.move_to(second, 2500)
    first.append(b"y" * 500)
    second.append(b"z" * 500)
    second.prepend(b"w" * 10)
    first.prepend(b"v" * 10)
    assert first == b"v" * 10 + b"x" * 500 + b"y" * 500
    assert second == b"w" * 10 + b"x" * 2500 + b"z" * 500


def test_a_buffer_is_not_moved_to_itself_nor_to_nothing() -> None:
    buffer = Buffer(b"abc")
    with pytest.raises(ValueError, match="itself"):
        buffer.move_to(buffer)
    with pytest.raises(TypeError):
        buffer.move_to(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        buffer.move_to(bytearray())  # type: ignore[arg-type]
    assert buffer == b"abc"


def test_a_move_that_is_refused_moves_nothing() -> None:
    first, second = Buffer(b"abc"), Buffer(b"def")
    with second.contiguous(), pytest.raises(BufferError):
        first.move_to(second)
    with first.contiguous(), pytest.raises(BufferError):
        first.move_to(second)
    assert (bytes(first), bytes(second)) == (b"abc", b"def")
