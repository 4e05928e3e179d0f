"""Descriptors that cannot be watched, that are too high, or were closed without a word."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
from collections.abc import Iterator

import pytest

import tether
from tests.plain_sockets import open_socket
from tests.watch import Reports


@pytest.fixture
def only_high() -> Iterator[None]:
    """Every descriptor that is free is above 1023."""
    taken: list[int] = []
    source = os.open("/dev/null", os.O_RDONLY)
    while not taken or taken[-1] <= 1023:
        taken.append(os.dup(source))
    os.close(taken.pop())
    try:
        yield
    finally:
        for number in [*taken, source]:
            os.close(number)


async def sleeps(loop: asyncio.AbstractEventLoop) -> None:
    """The loop sleeps once it looked around: nothing is reported again and again."""
    assert isinstance(loop, tether.Loop)
    await asyncio.sleep(0.01)
    before = loop.counts.passes
    await asyncio.sleep(0.1)
    assert loop.counts.passes - before <= 3


def test_a_closed_descriptor_cannot_be_watched(poller: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reader, writer = os.pipe()
        os.close(reader)
        os.close(writer)
        for watch in (loop.add_reader, loop.add_writer):
            with pytest.raises(OSError, match="Bad file descriptor") as caught:
                watch(reader, print)
            assert caught.value.errno == errno.EBADF
        assert not loop.remove_reader(reader)

    tether.run(main())


def test_a_descriptor_above_the_highest_is_refused_and_nothing_else(poller: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        reader, writer = os.pipe()
        high = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, 1500)
        got: asyncio.Queue[bytes] = asyncio.Queue()

        def take(number: int) -> None:
            got.put_nowait(os.read(number, 1))

        if 0 <= loop.poller.max_fd < high:
            with pytest.raises(OSError, match=f"{high} is above 1023, .* select watches") as caught:
                loop.add_reader(high, take, high)
            assert caught.value.errno == errno.EMFILE
            assert not loop.remove_reader(high)
        else:
            loop.add_reader(high, take, high)
            os.write(writer, b"1")
            assert await got.get() == b"1"
            assert loop.remove_reader(high)
        loop.add_reader(reader, take, reader)
        os.write(writer, b"2")
        assert await got.get() == b"2"
        loop.remove_reader(reader)
        for number in (reader, writer, high):
            os.close(number)

    tether.run(main())


def test_an_accepted_connection_above_the_highest_ends_and_nobody_else_does(
    poller: str, reports: Reports, request: pytest.FixtureRequest
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)

        async def echo(stream: tether.Stream) -> None:
            while data := await stream.read():
                await stream.send(data)

        async def answers(client: socket.socket) -> bytes:
            client.send(b"hello")
            return await asyncio.to_thread(client.recv, 5)

        async with tether.listen("127.0.0.1:0", echo) as listener:
            with open_socket(listener.address) as before:
                assert await answers(before) == b"hello"
                late = socket.socket()
                request.getfixturevalue("only_high")
                late.settimeout(10)
                if loop.poller.max_fd >= 0:
                    with pytest.raises(ConnectionResetError):  # connect may see it already
                        await asyncio.to_thread(late.connect, before.getpeername())
                        await asyncio.to_thread(late.recv, 5)
                    (error,) = reports.take_errors()
                    assert "the highest that select watches" in str(error)
                else:
                    await asyncio.to_thread(late.connect, before.getpeername())
                    assert await answers(late) == b"hello"
                late.close()
                assert await answers(before) == b"hello"
                assert listener.state == "open"

    tether.run(main())


def test_a_connect_above_the_highest_is_this_machines_limit(
    poller: str, request: pytest.FixtureRequest
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            request.getfixturevalue("only_high")
            address = f"127.0.0.1:{listening.getsockname()[1]}"
            if loop.poller.max_fd < 0:
                stream = await tether.connect(address)
                assert stream.fileno() > 1023
                stream.abort()
                await stream.wait_closed()
                return
            with pytest.raises(tether.LocalError) as caught:
                await tether.connect(address)
            assert caught.value.errno == errno.EMFILE

    tether.run(main())


def test_who_was_closed_without_a_word_is_forgotten_and_harms_nobody(poller: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        gone, peer = socket.socketpair()
        left, right = socket.socketpair()
        got: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(right, lambda: got.put_nowait(right.recv(10)))
        loop.add_reader(gone, pytest.fail, "nobody writes to it")
        number = gone.fileno()
        gone.close()
        for word in (b"one", b"two"):
            left.send(word)
            assert await got.get() == word
        await sleeps(loop)
        # Its number is another file's now, which is watched as if nothing had been.
        again, other = socket.socketpair()
        assert number in (again.fileno(), other.fileno())
        same, end = (again, other) if again.fileno() == number else (other, again)
        loop.add_reader(same, lambda: got.put_nowait(same.recv(10)))
        end.send(b"three")
        async with asyncio.timeout(5):
            assert await got.get() == b"three"
        loop.remove_reader(same)
        loop.remove_reader(right)
        for one in (peer, left, right, again, other):
            one.close()

    tether.run(main())


def test_a_number_that_became_another_file_without_a_word_is_not_told_of(poller: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        gone, peer = socket.socketpair()
        loop.add_reader(gone, pytest.fail, "its file is closed")
        number = gone.detach()
        other, end = socket.socketpair()
        os.dup2(other.fileno(), number)
        end.send(b"for the other")
        await sleeps(loop)
        assert other.recv(100) == b"for the other"
        loop.remove_reader(number)
        os.close(number)
        for one in (peer, other, end):
            one.close()

    tether.run(main())
