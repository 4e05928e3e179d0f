"""A buffer reads from descriptors and writes to them: as much as there is, in one system call."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from tether import Buffer


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


def test_bytes_go_through(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    content = os.urandom(1_000_000)
    sending, receiving = Buffer(), Buffer()
    for start in range(0, len(content), 1000):
        sending.append_reference(content[start : start + 1000])
    while len(receiving) < len(content):
        if sending:
            assert sending.write_to(left) > 0
        assert receiving.read_from(right) > 0
    assert receiving == content
    assert receiving.chunks < 100
    assert sys.getsizeof(receiving) < 2_200_000


def test_limits(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    sending, receiving = Buffer(b"abcdef"), Buffer(b"x")
    sending.append_reference(b"ghi")
    assert sending.write_to(left, 0) == 0
    assert sending.write_to(left, 2) == 2
    assert sending.write_to(left, 5) == 5
    assert receiving.read_from(right, 0) == 0
    assert receiving.read_from(right, 3) == 3
    assert receiving.read_from(right, 100) == 4
    assert receiving == b"xabcdefg"
    assert sending == b"hi"


def test_little_read_keeps_little(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    buffers = []
    for _ in range(100):
        left.send(b"x")
        buffers.append(Buffer())
        buffers[-1].read_from(right)
    assert all(buffer == b"x" and sys.getsizeof(buffer) < 5000 for buffer in buffers)


def test_nothing_to_read_no_room_and_the_end(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    buffer = Buffer()
    with pytest.raises(BlockingIOError):
        buffer.read_from(right)
    buffer.append(bytes(10_000_000))
    with pytest.raises(BlockingIOError):
        while True:
            buffer.write_to(left)
    assert 0 < len(buffer) < 10_000_000
    right.close()
    with pytest.raises(BrokenPipeError):
        buffer.write_to(left)
    buffer.clear()
    assert buffer.write_to(left) == 0
    with pytest.raises(ConnectionResetError):
        buffer.read_from(left)
    assert buffer.read_from(left) == 0


def test_a_wrong_descriptor() -> None:
    buffer = Buffer(b"abc")
    with pytest.raises(ValueError, match="negative"):
        buffer.write_to(-1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        buffer.read_from(99999)
    with pytest.raises(TypeError):
        buffer.read_from("abc")  # type: ignore[arg-type]
    assert buffer == b"abc"


def test_the_bytes_stay_while_a_thread_waits_for_the_system() -> None:
    reading, writing = os.pipe()
    buffer = Buffer(b"abc")
    started = threading.Event()
    refused: list[BufferError] = []

    def read() -> None:
        started.set()
        buffer.read_from(reading)

    thread = threading.Thread(target=read)
    thread.start()
    started.wait()
    while not refused:  # until the thread is where it waits
        try:
            buffer.append(b"d")
        except BufferError as error:
            refused.append(error)
    os.write(writing, b"xyz")
    thread.join()
    os.close(reading)
    os.close(writing)
    assert bytes(buffer).strip(b"d") == b"abc" + b"d" * (len(buffer) - 6) + b"xyz"


def test_a_signal_in_between_changes_nothing() -> None:
    reading, writing = os.pipe()
    buffer = Buffer(b"abc")

    def interrupt(number: int, frame: object) -> None:
        buffer.prepend(b"signal ")
        os.write(writing, b"xyz")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    assert buffer.read_from(reading) == 3
    signal.signal(signal.SIGALRM, before)
    os.close(reading)
    os.close(writing)
    assert buffer == b"signal abcxyz"
