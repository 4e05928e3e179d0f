"""Watermarks: how much is read before somebody takes it, and written before it is refused."""

from __future__ import annotations

import asyncio
import socket

import pytest

import tether
from tests.plain_sockets import receive_exactly
from tests.stream.pairs import fill, stream_and_socket


def test_no_more_than_the_read_mark_is_taken_before_somebody_reads(poller: str) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            stream.set_marks(read_high=20)
            message = bytes(range(200))
            client.send(message)
            for start in range(0, 200, 20):
                while stream.bytes_received < start + 20:
                    await asyncio.sleep(0)
                for _ in range(5):
                    await asyncio.sleep(0)
                assert stream.bytes_received == start + 20
                assert await stream.read() == message[start : start + 20]

    tether.run(main())


def test_callbacks_wait_for_the_low_read_mark_and_get_the_rest_at_the_end(poller: str) -> None:
    async def main() -> None:
        pieces: list[bytes] = []
        async with stream_and_socket() as (stream, client):
            stream.set_marks(read_low=8)
            stream.on_data(pieces.append)
            for size in (3, 4, 5, 1, 1):
                before = stream.bytes_received
                client.send(b"x" * size)
                while stream.bytes_received < before + size:
                    await asyncio.sleep(0)
            assert [len(piece) for piece in pieces] == [12]
            client.close()
            await stream.wait_closed()
            assert [len(piece) for piece in pieces] == [12, 2]
            assert stream.error is None

    tether.run(main())


def test_the_drain_is_told_at_the_low_mark_and_not_at_nothing(poller: str) -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            # The system takes little at a time.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            stream.set_marks(write_high=100_000, write_low=50_000)
            taken = await fill(stream)
            waiting = asyncio.get_running_loop().create_future()
            stream.on_drain(lambda: None if waiting.done() else waiting.set_result(stream.buffered))
            taking = asyncio.ensure_future(tether.to_thread(receive_exactly, client, taken))
            assert 0 < await asyncio.wait_for(waiting, 5) <= 50_000
            await taking

    tether.run(main())


def test_at_the_high_mark_nothing_more_is_taken() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, _):
            stream.set_marks(write_high=10_000, write_low=0)
            await fill(stream, b"x" * 1000)
            assert 10_000 <= stream.buffered < 11_000

    tether.run(main())


def test_drain_waits_for_the_mark_that_is_asked_for() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            taken = await fill(stream)
            draining = asyncio.ensure_future(stream.drain(0))
            await asyncio.sleep(0)
            assert not draining.done()
            await tether.to_thread(receive_exactly, client, taken)
            await asyncio.wait_for(draining, 5)
            assert stream.buffered == 0
            await stream.drain()  # at once

    tether.run(main())


def test_drain_raises_the_cause_of_a_stream_that_failed_meanwhile() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, _):
            await fill(stream)
            draining = asyncio.ensure_future(stream.drain())
            await asyncio.sleep(0)
            stream.abort(ValueError("planned"))
            with pytest.raises(ValueError, match="planned"):
                await draining
            with pytest.raises(tether.Closed):
                await stream.drain()

    tether.run(main())


def test_marks_that_contradict_each_other_are_refused() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            before = stream.marks
            with pytest.raises(ValueError, match="low mark"):
                stream.set_marks(write_low=70_000)
            with pytest.raises(ValueError, match="low mark"):
                stream.set_marks(read_low=2, read_high=1)
            with pytest.raises(ValueError, match="read_high"):
                stream.set_marks(read_low=0, read_high=0)
            assert stream.marks == before == (1, 65536, 16384, 65536)

    tether.run(main())
