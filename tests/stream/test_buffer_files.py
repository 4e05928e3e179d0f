"""A part of a file is sent by the system, and read only by who looks at it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from tests.watch import open_descriptors
from tether import Buffer

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return path


def receive(size: int, sock: socket.socket) -> bytes:
    received = bytearray()
    while len(received) < size:
        received += sock.recv(65536)
    return bytes(received)


def test_a_part_of_a_file_is_written_without_being_read(path: Path) -> None:
    buffer = Buffer(b"head ")
    with path.open("rb") as file:
        buffer.append_file(file, 100, 50_000)
        buffer.append_file(file.fileno(), 250_000)
    buffer.append(b" tail")
    wanted = b"head " + CONTENT[100:50_100] + CONTENT[250_000:] + b" tail"
    assert len(buffer) == len(wanted)
    left, right = socket.socketpair()
    with left, right:
        right.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        while buffer:
            assert buffer.write_to(left) > 0
            assert sys.getsizeof(buffer) < 10_000
        assert receive(len(wanted), right) == wanted


def test_its_descriptor_is_closed_with_the_last_of_it(path: Path) -> None:
    before = open_descriptors()
    buffer, other = Buffer(), Buffer()
    with path.open("rb") as file:
        buffer.append_file(file)
    assert len(open_descriptors()) == len(before) + 1
    buffer.move_to(other, 1000)
    buffer.clear()
    assert len(open_descriptors()) == len(before) + 1
    other.drain(999)
    assert other.read() == CONTENT[999:1000]
    assert open_descriptors() == before


def test_who_looks_reads_it(path: Path) -> None:
    buffer = Buffer(b"..")
    with path.open("rb") as file:
        buffer.append_file(file)
    content = b".." + CONTENT
    assert buffer.find(b"\xff\0\1", 1000) == content.find(b"\xff\0\1", 1000)
    assert buffer.tobytes(70_000, 70_010) == content[70_000:70_010]
    assert b"".join(buffer.peek(5000)) == content[:5000]
    assert buffer.readline("nul") == b".."
    assert buffer.read(10) == CONTENT[1:11]
    with buffer.contiguous(200_000) as view:
        assert view == CONTENT[11:200_011]
    assert buffer == CONTENT[11:]
    assert CONTENT[11:] == buffer
    assert bytes(buffer) == CONTENT[11:]


def test_no_more_is_read_than_is_looked_at(path: Path) -> None:
    buffer = Buffer()
    with path.open("rb") as file:
        buffer.append_file(file)
    assert buffer.find(b"\5") == 5
    assert sys.getsizeof(buffer) < 70_000


def test_files_move_and_divide(path: Path) -> None:
    first, second = Buffer(), Buffer()
    with path.open("rb") as file:
        first.append_file(file, 10, 1000)
    first.move_to(second, 300)
    first.drain(100)
    for _ in range(4):
        first.move_to(second, 100)
    assert second.chunks == 2
    first.prepend(b"..")
    assert second == CONTENT[10:310] + CONTENT[410:810]
    assert first == b".." + CONTENT[810:1010]


def test_two_buffers_of_the_same_file_are_equal(path: Path) -> None:
    first, second = Buffer(b"x"), Buffer(b"xy")
    with path.open("rb") as file:
        first.append_file(file, 0, 100_000)
        second.append_file(file, 0, 99_999)
    assert first != second
    second = Buffer(b"x" + CONTENT[:100_000])
    assert first == second


def test_only_parts_of_regular_files(path: Path) -> None:
    buffer = Buffer()
    with path.open("rb") as file:
        for offset, size in [
            (-1, 1),
            (0, -1),
            (0, len(CONTENT) + 1),
            (len(CONTENT), 1),
            (9**30, 0),
        ]:
            with pytest.raises(ValueError, match="the file has 256000 bytes"):
                buffer.append_file(file, offset, size)
        buffer.append_file(file, len(CONTENT))
        assert not buffer
    reading, writing = os.pipe()
    with pytest.raises(ValueError, match="regular file"):
        buffer.append_file(reading)
    os.close(reading)
    os.close(writing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        buffer.append_file(reading)
    with pytest.raises(TypeError):
        buffer.append_file("name")  # type: ignore[arg-type]


def test_files_that_no_memory_would_hold(tmp_path: Path) -> None:
    buffer, other = Buffer(), Buffer(b"x" * 3000)
    with (tmp_path / "sparse").open("wb+") as file:
        size = 2**40
        file.truncate(size)
        for _ in range(3):
            buffer.append_file(file)
        assert len(buffer) == 3 * size
        buffer.drain(3 * size - 10)
        assert buffer.move_to(other) == 10
        assert other == b"x" * 3000 + bytes(10)


@pytest.mark.parametrize("look", ["find", "peek", "read", "write", "bytes"])
def test_a_file_that_became_shorter(path: Path, look: str) -> None:
    buffer = Buffer()
    with path.open("rb+") as file:
        buffer.append_file(file, 1000)
        file.truncate(500)
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="Input/output error"):
        if look == "find":
            buffer.find(b"xyz")
        elif look == "peek":
            buffer.peek()
        elif look == "read":
            buffer.read(100)
        elif look == "write":
            buffer.write_to(writing)
        else:
            bytes(buffer)
    os.close(reading)
    os.close(writing)
    assert len(buffer) == len(CONTENT) - 1000
    buffer.clear()


def test_a_descriptor_that_sendfile_does_not_write_to(path: Path, tmp_path: Path) -> None:
    buffer = Buffer()
    with path.open("rb") as file:
        buffer.append_file(file)
    target = os.open(tmp_path / "target", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while buffer:
        buffer.write_to(target)
    os.close(target)
    assert (tmp_path / "target").read_bytes() == CONTENT
