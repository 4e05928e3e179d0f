"""The times of a stream: each passes once, not early, and closes with its cause or is told."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

import tether
from tests.plain_sockets import receive_all
from tests.stream.pairs import fill, stream_and_socket

TIME = 0.15


async def closed(stream: tether.Stream) -> BaseException | None:
    await asyncio.wait_for(stream.wait_closed(), TIME + 5)
    return stream.error


def test_silence_closes_with_a_read_timeout(poller: str) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            began = asyncio.get_running_loop().time()
            stream.set_timeouts(read=TIME)
            error = await closed(stream)
            took = asyncio.get_running_loop().time() - began
            assert isinstance(error, tether.ReadTimeout)
            assert isinstance(error, TimeoutError)
            assert error.phase == "message"
            assert error.elapsed is not None
            assert TIME <= error.elapsed <= took < TIME + 1

    tether.run(main())


def test_a_peer_that_takes_nothing_closes_with_a_write_timeout(poller: str) -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, _):
            await fill(stream)
            began = asyncio.get_running_loop().time()
            stream.set_timeouts(write=TIME)
            error = await closed(stream)
            took = asyncio.get_running_loop().time() - began
            assert isinstance(error, tether.WriteTimeout)
            assert error.phase == "send"
            assert TIME <= took < TIME + 1

    tether.run(main())


@asynccontextmanager
async def on_a_socket() -> AsyncIterator[tether.Stream]:
    async with stream_and_socket(receive_buffer=4096) as (stream, _):
        # The system shall hold little: what a filter makes of more takes its time.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        yield stream


@asynccontextmanager
async def on_a_pair() -> AsyncIterator[tether.Stream]:
    stream, other = tether.pair()
    other.pause()
    yield stream
    stream.abort()


@asynccontextmanager
async def under_a_filter() -> AsyncIterator[tether.Stream]:
    async with on_a_socket() as stream:
        stream.push(tether.filters.Gzip())
        yield stream


@pytest.mark.parametrize("idle", [on_a_socket, on_a_pair, under_a_filter])
def test_both_are_told_once_each_at_their_time_on_an_idle_stream(
    idle: Callable[[], AbstractAsyncContextManager[tether.Stream]], poller: str
) -> None:
    async def main() -> None:
        told: list[tuple[str, float]] = []
        async with idle() as stream:
            await fill(stream, os.urandom(8192))
            loop = asyncio.get_running_loop()
            began = loop.time()
            done = asyncio.Event()

            def note(error: tether.NetworkError) -> None:
                told.append((type(error).__name__, loop.time() - began))
                if len(told) == 2:
                    stream.after(0.2, done.set)  # longer than both: nothing comes again

            stream.on_timeout(note)
            stream.set_timeouts(read=0.15, write=0.1)
            await asyncio.wait_for(done.wait(), 5)
            assert stream.state == "open"
            stream.on_timeout(lambda error: None)
        (first, early), (second, late) = told
        assert (first, second) == ("WriteTimeout", "ReadTimeout")
        assert early >= 0.1
        assert late >= 0.15

    tether.run(main())


def test_what_comes_begins_the_read_time_anew() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            loop = asyncio.get_running_loop()
            stream.set_timeouts(read=TIME)
            for _ in range(4):
                await asyncio.sleep(TIME / 2)  # the peer's pace, not a wait for something
                client.send(b"x")
                assert await stream.read() == b"x"
            last = loop.time()
            await closed(stream)
            assert loop.time() - last >= TIME - TIME / 2

    tether.run(main())


def test_who_does_not_read_hears_of_no_silence() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            stream.pause()
            stream.set_timeouts(read=0.02)
            client.send(b"x")
            await asyncio.sleep(0.1)  # several times as long
            assert stream.state == "open"
            stream.resume_reading()
            assert await stream.read() == b"x"
            assert isinstance(await closed(stream), tether.ReadTimeout)

    tether.run(main())


def test_a_timeout_that_was_told_comes_again_after_the_next_bytes() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            told = asyncio.Event()
            stream.on_timeout(lambda error: told.set())
            stream.set_timeouts(read=0.02)
            await asyncio.wait_for(told.wait(), 5)
            told.clear()
            client.send(b"x")
            assert await stream.read() == b"x"
            await asyncio.wait_for(told.wait(), 5)

    tether.run(main())


def test_a_peer_that_takes_a_little_is_closed_at_the_deadline_too() -> None:
    # One byte now and then opens no window; what waited at the start never leaves.
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            await fill(stream)
            client.setblocking(False)
            stream.set_timeouts(write=TIME)
            sipping = stream.every(0.01, lambda: client.recv(1))
            error = await closed(stream)
            assert isinstance(error, tether.WriteTimeout)
            sipping.cancel()

    tether.run(main())


async def sends(stream: tether.Stream, client: socket.socket) -> None:
    stream.send(b"x")


async def receives(stream: tether.Stream, client: socket.socket) -> None:
    client.send(b"x")
    assert await stream.read() == b"x"


@pytest.mark.parametrize("moves", [sends, receives])
def test_both_directions_count_for_the_idle_time(
    moves: Callable[[tether.Stream, socket.socket], Awaitable[None]],
) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            loop = asyncio.get_running_loop()
            stream.set_timeouts(idle=TIME)
            await asyncio.sleep(TIME / 2)
            moved = loop.time()
            await moves(stream, client)
            error = await closed(stream)
            assert loop.time() - moved >= TIME - 0.001
            assert isinstance(error, tether.ReadTimeout)
            assert "received or sent" in str(error)

    tether.run(main())


def test_the_total_time_passes_whatever_happens() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            loop = asyncio.get_running_loop()
            began = loop.time()
            stream.set_timeouts(total=TIME)
            stream.on_data(lambda data: stream.send(data))
            stream.every(0.01, lambda: client.send(b"x"))
            error = await closed(stream)
            assert isinstance(error, tether.ReadTimeout)
            assert TIME <= loop.time() - began < TIME + 1

    tether.run(main())


def test_none_switches_a_time_off() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            stream.set_timeouts(read=0.05, idle=0.05, total=0.05)
            stream.set_timeouts(read=None, idle=None, total=None)
            await asyncio.sleep(0.1)
            assert stream.state == "open"
            with pytest.raises(ValueError, match="read is 0 seconds or more"):
                stream.set_timeouts(read=-1)

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_the_stream_may_end_in_its_callbacks_and_no_time_outlives_it(end: str) -> None:
    async def main() -> None:
        counts = asyncio.get_running_loop().counts  # type: ignore[attr-defined]
        for callback in ("on_timeout", "on_peer_closed"):
            async with stream_and_socket() as (stream, client):
                calls: list[object] = []

                def finish(
                    *error: object, stream: tether.Stream = stream, calls: list[object] = calls
                ) -> None:
                    calls.append(error)
                    getattr(stream, end)()

                getattr(stream, callback)(finish)
                stream.set_timeouts(read=0.02, idle=20, total=20)
                if callback == "on_peer_closed":
                    client.shutdown(socket.SHUT_WR)
                await asyncio.wait_for(stream.wait_closed(), 5)
                assert len(calls) == 1
        assert counts.pending_timers == 0

    tether.run(main())


def test_no_write_time_begins_once_a_stream_closes() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            stream.set_timeouts(write=20)
            receiving = asyncio.ensure_future(tether.to_thread(client.recv, 1))
            while stream.send(bytes(1 << 20)):
                pass
            stream.close()  # its flush is blocked again and again, and then done
            await receiving
            taking = asyncio.ensure_future(tether.to_thread(receive_all, client))
            await asyncio.wait_for(stream.wait_closed(), 5)
            await taking
        assert asyncio.get_running_loop().counts.pending_timers == 0  # type: ignore[attr-defined]

    tether.run(main())
