"""A buffer is bytes in order: added at either end, taken from the front, in few chunks."""

from __future__ import annotations

import copy
import pickle
import sys
from array import array

import pytest

from tether import Buffer


def test_bytes_come_out_in_the_order_they_went_in() -> None:
    buffer = Buffer(b"three ")
    buffer.append(bytearray(b"four "))
    buffer.prepend(memoryview(b"two "))
    buffer += array("B", b"five")
    buffer.prepend(b"one ")
    assert buffer.read(8) == b"one two "
    assert buffer.drain(6) == 6
    assert buffer.read() == b"four five"
    assert not buffer


def test_long_bytes_are_referred_to_and_come_back_as_they_are() -> None:
    long = bytes(100_000)
    buffer = Buffer()
    buffer.append(long)
    assert sys.getsizeof(buffer) < 1000
    assert buffer.read() is long


def test_what_may_change_is_copied() -> None:
    long = bytearray(100_000)
    buffer = Buffer()
    buffer.append(long)
    long[0] = 1
    long.append(1)
    assert bytes(buffer) == bytes(100_000)


def test_a_buffer_can_be_added_to_another_and_to_itself() -> None:
    buffer, other = Buffer(b"ab"), Buffer(b"cd")
    buffer.append(other)
    buffer.append(buffer)
    other.prepend(buffer)
    assert bytes(buffer) == b"abcdabcd"
    assert bytes(other) == b"abcdabcdcd"


def test_taking_more_than_there_is_takes_all() -> None:
    buffer = Buffer(b"abc")
    assert buffer.drain(10**30) == 3
    assert buffer.drain(1) == 0
    assert buffer.read(10**30) == b""


def test_readinto_fills_what_it_is_given() -> None:
    buffer = Buffer(b"abcdef")
    target = bytearray(4)
    assert buffer.readinto(target) == 4
    assert target == b"abcd"
    assert buffer.readinto(target) == 2
    assert target == b"efcd"
    with pytest.raises(BufferError):
        buffer.readinto(b"read only")


def test_looking_takes_nothing() -> None:
    buffer = Buffer(b"abc")
    buffer.append(b"x" * 5000)
    assert buffer.tobytes(1, 4) == b"bcx"
    assert buffer.tobytes(-2) == b"xx"
    assert buffer.tobytes(5000, 10) == b""
    assert bytes(buffer) == b"abc" + b"x" * 5000
    assert len(buffer) == 5003


def test_buffers_equal_the_same_bytes_however_they_lie() -> None:
    whole, parts = Buffer(b"ab" * 3000), Buffer()
    for _ in range(300):
        parts.append_reference(b"abababababababababab")
    assert whole == parts
    assert parts == b"ab" * 3000
    assert parts == b"ab" * 3000
    assert bytearray(b"ab" * 3000) == parts
    parts.drain(1)
    parts.append(b"b")
    assert whole != parts
    assert parts != b"ab" * 3000
    assert parts != "a string"
    assert parts != memoryview(b"ab" * 6000)[::2]
    with pytest.raises(TypeError):
        hash(parts)


def test_a_copy_is_another_buffer() -> None:
    buffer = Buffer(b"abc")
    buffer.append_reference(b"def")
    for other in (copy.copy(buffer), copy.deepcopy(buffer), pickle.loads(pickle.dumps(buffer))):
        assert other == b"abcdef"
        other.clear()
    assert buffer == b"abcdef"


@pytest.mark.parametrize("wrong", ["text", 7, None, [1], 1.5])
def test_what_is_no_bytes_is_refused(wrong: object) -> None:
    buffer = Buffer(b"abc")
    for add in (buffer.append, buffer.prepend, buffer.append_reference, buffer.find):
        with pytest.raises(TypeError):
            add(wrong)  # type: ignore[arg-type]
    assert buffer == b"abc"


def test_what_lies_apart_is_refused() -> None:
    buffer = Buffer()
    for add in (buffer.append, buffer.prepend, buffer.append_reference):
        with pytest.raises(BufferError):
            add(memoryview(b"abcdef")[::2])
    assert not buffer


def test_negative_numbers_are_refused() -> None:
    buffer = Buffer(b"abc")
    for call in (buffer.drain, buffer.read, buffer.peek, buffer.contiguous, buffer.reserve):
        with pytest.raises(ValueError, match="number of bytes"):
            call(-1)
    with pytest.raises(ValueError, match="number of bytes"):
        buffer.readline(limit=-1)
    assert buffer == b"abc"


def test_more_than_there_can_be_is_refused() -> None:
    buffer = Buffer(b"abc")
    with pytest.raises((MemoryError, OverflowError)):
        buffer.reserve(sys.maxsize)
    with pytest.raises(OverflowError):
        buffer.reserve(10**30)
    assert buffer == b"abc"


def test_small_additions_share_chunks() -> None:
    buffer, front = Buffer(), Buffer()
    for _ in range(100_000):
        buffer.append(b"x")
        front.prepend(bytearray(b"x"))
    assert buffer.chunks < 10
    assert front.chunks < 30
    assert sys.getsizeof(buffer) < 300_000
    assert buffer == front


def test_small_additions_between_references_share_blocks() -> None:
    buffer = Buffer()
    for _ in range(1000):
        buffer.append(b"head")
        buffer.append(bytes(2048))
    assert buffer.chunks == 2000
    assert sys.getsizeof(buffer) < 2000 * 64 + 20_000


@pytest.mark.parametrize("size", [1, 1000, 5000, 70_000])
def test_memory_shrinks_after_a_peak(size: int) -> None:
    buffer = Buffer()
    empty = sys.getsizeof(buffer)
    for _ in range(10_000_000 // size // 10):
        buffer.append(bytearray(size))
    peak = sys.getsizeof(buffer)
    assert peak < len(buffer) * 2 + 100_000
    buffer.drain(len(buffer) - 1)
    assert sys.getsizeof(buffer) < 150_000
    buffer.drain(1)
    assert sys.getsizeof(buffer) <= empty + 4096


def test_what_is_left_of_a_long_piece_does_not_keep_it() -> None:
    buffer = Buffer()
    for _ in range(100):
        buffer.append(bytearray(70_000))
    buffer.contiguous().release()
    assert buffer.chunks == 1
    buffer.drain(len(buffer) - 10)
    assert sys.getsizeof(buffer) < 10_000
    assert buffer == bytes(10)
