"""What is ready and not wanted wakes nobody, also on a poller without edges; and nothing is lost.

Streams ask for edges. Where the system has none, a socket that can always be written to, bytes that
nobody reads and a hang-up that lasts for ever would be reported again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest

import tether
from tests.plain_sockets import open_socket, receive_exactly, reset

pytestmark = pytest.mark.usefixtures("poller")

MEGABYTE = 1024 * 1024


@contextlib.asynccontextmanager
async def stream_and_socket(
    receive_buffer: int = 0,
) -> AsyncIterator[tuple[tether.Stream, socket.socket]]:
    accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
    async with tether.listen("127.0.0.1:0", accepted.set_result) as listener:
        with open_socket(listener.address, receive_buffer=receive_buffer) as client:
            yield await accepted, client


async def sleeps() -> None:
    """The loop sleeps now: it wakes for the timer that ends the sleep, and for nothing else."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, tether.Loop)
    await asyncio.sleep(0.01)
    before = loop.counts
    await asyncio.sleep(0.1)
    assert loop.counts.passes - before.passes <= 3
    assert loop.counts.events == before.events


def test_room_to_write_wakes_nobody() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            await sleeps()
            for _ in range(3):
                stream.send(b"ping")
                assert await asyncio.to_thread(receive_exactly, client, 4) == b"ping"
                client.send(b"pong")
                assert await stream.readexactly(4) == b"pong"
            await sleeps()

    tether.run(main())


@pytest.mark.parametrize("how", ["nobody reads", "pause"])
def test_bytes_that_nobody_takes_wake_nobody_and_are_all_there_later(how: str) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            data = os.urandom(MEGABYTE)
            got = bytearray()
            if how == "pause":
                stream.on_data(got.extend)
                stream.pause()
            sending = asyncio.create_task(asyncio.to_thread(client.sendall, data))
            await asyncio.sleep(0.05)
            await sleeps()
            if how == "pause":
                assert got == b""
                stream.resume_reading()
            while len(got) < len(data):
                if how == "pause":
                    await asyncio.sleep(0)
                else:
                    got += await stream.read()
            await sending
            assert got == data
            await sleeps()

    tether.run(main())


def test_reading_stops_and_goes_on_many_times() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            got = bytearray()
            told = asyncio.Event()

            def take(data: bytes) -> None:
                got.extend(data)
                told.set()

            stream.on_data(take)
            for number in range(200):
                stream.pause()
                client.send(b"%03d" % number)
                await asyncio.sleep(0)
                stream.resume_reading()
                while len(got) < 3 * (number + 1):
                    told.clear()
                    async with asyncio.timeout(5):
                        await told.wait()
            assert got == b"".join(b"%03d" % number for number in range(200))

    tether.run(main())


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("unread", [b"", b"the last words"])
def test_a_peer_that_left_a_paused_stream_wakes_it_once(how: str, unread: bytes) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            got = bytearray()
            stream.on_data(got.extend)
            stream.pause()
            client.send(unread)
            if how == "FIN":
                client.close()
            else:
                reset(client)
            await asyncio.sleep(0.02)
            await sleeps()
            assert stream.state == "open"
            stream.resume_reading()
            async with asyncio.timeout(5):
                await stream.wait_closed()
            if how == "FIN":
                assert got == unread  # a reset may throw away what was not read

    tether.run(main())


def test_a_half_closed_stream_wakes_nobody_and_can_still_be_written_to() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.shutdown(socket.SHUT_WR)
            assert await stream.read() == b""
            await sleeps()
            data = os.urandom(MEGABYTE)
            sending = asyncio.create_task(send_all(stream, data))
            assert await asyncio.to_thread(receive_exactly, client, len(data)) == data
            await sending
            await sleeps()

    tether.run(main())


async def send_all(stream: tether.Stream, data: bytes) -> None:
    for start in range(0, len(data), 8192):
        await stream.send(data[start : start + 8192])


def test_a_peer_that_does_not_read_wakes_nobody_until_it_does() -> None:
    async def main() -> None:
        async with stream_and_socket(65536) as (stream, client):
            data = os.urandom(16 * MEGABYTE)
            sending = asyncio.create_task(send_all(stream, data))
            got = b""
            for _ in range(4):
                await asyncio.sleep(0.05)
                assert not sending.done()
                await sleeps()
                got += await asyncio.to_thread(receive_exactly, client, MEGABYTE)
            got += await asyncio.to_thread(receive_exactly, client, 12 * MEGABYTE)
            await sending
            assert got == data

    tether.run(main())


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_a_peer_that_leaves_a_blocked_writer_is_noticed(how: str) -> None:
    async def main() -> None:
        async with stream_and_socket(65536) as (stream, client):
            sending = asyncio.create_task(send_all(stream, bytes(16 * MEGABYTE)))
            await asyncio.sleep(0.05)
            assert not sending.done()
            if how == "FIN":
                client.close()  # with bytes unread: a reset all the same
            else:
                reset(client)
            with pytest.raises(tether.ConnectionClosed):
                async with asyncio.timeout(5):
                    await sending
            await sleeps()

    tether.run(main())


def test_all_of_many_that_are_ready_at_once_are_served() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        counters = [os.eventfd(1) for _ in range(700)]
        served: list[int] = []
        done = asyncio.Event()

        def take(number: int) -> None:
            os.eventfd_read(number)
            served.append(number)
            if len(served) == 2 * len(counters):
                done.set()

        for number in counters:
            loop.add_reader(number, take, number)
        while len(served) < len(counters):
            await asyncio.sleep(0)
        assert sorted(served) == sorted(counters)
        for number in counters:
            os.eventfd_write(number, 1)
        await done.wait()
        assert sorted(served) == sorted(counters * 2)
        for number in counters:
            loop.remove_reader(number)
            os.close(number)

    tether.run(main())


def test_a_reader_that_takes_a_part_is_called_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reader, writer = os.pipe()
        got: list[bytes] = []
        done = asyncio.Event()

        def take() -> None:
            got.append(os.read(reader, 1))
            if len(got) == 5:
                done.set()

        loop.add_reader(reader, take)
        os.write(writer, b"12345")
        await done.wait()
        assert got == [b"1", b"2", b"3", b"4", b"5"]
        await sleeps()
        loop.remove_reader(reader)
        os.close(reader)
        os.close(writer)

    tether.run(main())
