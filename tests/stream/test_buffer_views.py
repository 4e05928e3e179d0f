"""Bytes that somebody has a view of stay; what is reserved is written to, and then added."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest

from tether import Buffer

CHANGES: list[Callable[[Buffer], object]] = [
    lambda buffer: buffer.append(b"x"),
    lambda buffer: buffer.append(b""),
    lambda buffer: buffer.append(bytearray(b"x")),
    lambda buffer: buffer.prepend(b"x"),
    lambda buffer: buffer.append_reference(b"x"),
    lambda buffer: buffer.drain(1),
    lambda buffer: buffer.read(),
    lambda buffer: buffer.readinto(bytearray(1)),
    lambda buffer: buffer.readline(),
    lambda buffer: buffer.clear(),
    lambda buffer: buffer.move_to(Buffer(), 1),
    lambda buffer: Buffer(b"x").move_to(buffer),
    lambda buffer: buffer.write_to(1),
    lambda buffer: buffer.read_from(0),
]

VIEWS: list[Callable[[Buffer], object]] = [
    memoryview,
    lambda buffer: memoryview(buffer)[1:2],
    lambda buffer: buffer.contiguous(),
    lambda buffer: buffer.contiguous(1),
    lambda buffer: buffer.peek(),
    lambda buffer: next(iter(buffer)),
]


@pytest.mark.parametrize("view", VIEWS)
def test_while_a_view_is_held_the_buffer_does_not_change(view: Callable[[Buffer], object]) -> None:
    buffer = Buffer(b"one\ntwo")
    held = view(buffer)
    for change in CHANGES:
        with pytest.raises(BufferError, match="view of these bytes is held"):
            change(buffer)
    assert buffer == b"one\ntwo"
    assert buffer.find(b"two") == 4
    del held
    assert buffer.drain(4) == 4
    assert buffer == b"two"


def test_a_view_cannot_be_had_again_once_it_was_released() -> None:
    buffer = Buffer(b"abc")
    view = buffer.contiguous()
    what = view.obj
    view.release()
    buffer.clear()
    with pytest.raises(BufferError):
        memoryview(what)
    with pytest.raises(BufferError):
        memoryview(type(what)())


def test_views_are_read_only() -> None:
    buffer = Buffer(b"abc")
    assert memoryview(buffer).readonly
    assert buffer.contiguous().readonly
    assert all(view.readonly for view in buffer)
    with pytest.raises(TypeError, match="read-write"):
        struct.pack_into("B", buffer, 0, 1)


def test_peek_shows_the_bytes_where_they_lie() -> None:
    first, second = bytearray(b"abc"), bytearray(b"def")
    buffer = Buffer()
    buffer.append_reference(first)
    buffer.append_reference(second)
    with pytest.raises(BufferError, match="held"):
        views = buffer.peek()
        memoryview(buffer)
    assert [bytes(view) for view in views] == [b"abc", b"def"]
    first[0] = 0
    assert bytes(views[0]) == b"\0bc"
    assert [bytes(view) for view in buffer.peek(4)] == [b"\0bc", b"d"]
    assert buffer.peek(0) == ()
    assert [bytes(view) for view in buffer] == [b"\0bc", b"def"]


def test_contiguous_joins_what_lies_apart() -> None:
    buffer = Buffer()
    for number in range(2000):
        buffer.append_reference(b"%04d," % number)
    with buffer.contiguous(10) as view:
        assert bytes(view) == b"0000,0001,"
    assert 1 < buffer.chunks < 2000
    with memoryview(buffer) as view:
        assert len(view) == 10_000
    assert buffer.chunks == 1
    with pytest.raises(ValueError, match="there are 10000 bytes, not 10001"):
        buffer.contiguous(10_001)
    assert bytes(buffer.contiguous(0)) == b""
    assert bytes(memoryview(Buffer())) == b""


def test_what_is_added_to_a_joined_buffer_comes_behind_it_without_another_copy() -> None:
    buffer = Buffer()
    for _ in range(40_000):
        buffer.append_reference(b"abcde")
    buffer.contiguous().release()
    for _ in range(5000):
        buffer.append(b"f")
    assert buffer.chunks == 1


def test_reserve_and_commit() -> None:
    buffer = Buffer(b"head ")
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"hello " * 1000)
        view = buffer.reserve(65536)
        size = right.recv_into(view)
        buffer.commit(size)
        with pytest.raises(ValueError, match="released"):
            view[0] = 1
        left.sendall(b"you")
        buffer.commit(right.recv_into(buffer.reserve(100)))
    assert buffer == b"head " + b"hello " * 1000 + b"you"


def test_the_buffer_may_change_while_memory_is_reserved() -> None:
    buffer = Buffer(b"ab")
    view = buffer.reserve(10)
    buffer.append(b"cd")
    buffer.drain(1)
    view[:2] = b"ef"
    buffer.commit(2)
    assert buffer == b"bcdef"


@pytest.mark.parametrize("size", [10, 100_000])
def test_what_was_committed_cannot_be_written_to_any_more(size: int) -> None:
    buffer = Buffer()
    view = buffer.reserve(size)
    part, room = view[2:4], view.obj
    view[:] = b"x" * size
    with pytest.raises(BufferError, match="another view"):
        buffer.commit(size)
    assert not buffer
    part.release()
    buffer.commit(size)
    with pytest.raises(BufferError):
        memoryview(room)
    with pytest.raises(BufferError):
        memoryview(type(room)())
    assert buffer == b"x" * size


def test_a_second_reserve_takes_the_first_back() -> None:
    buffer = Buffer()
    first = buffer.reserve(10)
    first[:3] = b"abc"
    second = buffer.reserve(20)
    with pytest.raises(ValueError, match="released"):
        first[0] = 1
    second[:3] = b"def"
    buffer.commit(3)
    assert buffer == b"def"


def test_only_what_was_reserved_can_be_committed() -> None:
    buffer = Buffer()
    with pytest.raises(ValueError, match="nothing is reserved"):
        buffer.commit(0)
    buffer.reserve(10)
    for size in (-1, 11):
        with pytest.raises(ValueError, match="10 bytes are reserved"):
            buffer.commit(size)
    buffer.commit(0)
    with pytest.raises(ValueError, match="nothing is reserved"):
        buffer.commit(0)
    assert not buffer


def test_what_is_reserved_outlives_the_buffer() -> None:
    view = Buffer().reserve(1000)
    view[:] = bytes(1000)
    assert bytes(view) == bytes(1000)


def test_little_committed_of_much_reserved_keeps_little() -> None:
    buffer = Buffer()
    for _ in range(1000):
        buffer.reserve(65536)[:1] = b"x"
        buffer.commit(1)
    assert buffer.chunks == 1
    assert buffer.__sizeof__() < 10_000
    assert buffer == b"x" * 1000


def test_commit_while_a_view_is_held() -> None:
    buffer = Buffer(b"abc")
    buffer.reserve(1)[:] = b"d"
    with buffer.contiguous(), pytest.raises(BufferError):
        buffer.commit(1)
    buffer.commit(1)
    assert buffer == b"abcd"
