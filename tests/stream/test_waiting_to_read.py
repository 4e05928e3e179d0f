"""Waiting for bytes: who may wait, how, and what he is told when the stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import tether
from tests.plain_sockets import reset
from tests.stream.pairs import stream_and_socket


def test_a_reset_raises_connection_closed_in_who_waits() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            reading = asyncio.ensure_future(stream.read())
            await asyncio.sleep(0)
            reset(client)
            with pytest.raises(tether.ConnectionClosed) as caught:
                await asyncio.wait_for(reading, 5)
            assert isinstance(caught.value, ConnectionResetError)
            assert caught.value.errno == 104
            assert caught.value.phase == "message"
            await stream.wait_closed()
            assert isinstance(stream.error, tether.ConnectionClosed)
            assert caught.value is not stream.error

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_who_reads_is_told_the_cause_itself_when_the_stream_ends(end: str) -> None:
    async def main() -> None:
        for cause, expected in ((None, tether.Closed), (ValueError("why"), ValueError)):
            async with stream_and_socket() as (stream, _):
                reading = asyncio.ensure_future(stream.read())
                await asyncio.sleep(0)
                getattr(stream, end)(cause)
                with pytest.raises(expected):
                    await asyncio.wait_for(reading, 5)

    tether.run(main())


@pytest.mark.parametrize("cause", [ValueError("why"), tether.ReadTimeout("why"), None])
def test_reading_a_stream_that_was_closed_here_raises_closed_from_the_cause(
    cause: Exception | None,
) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            stream.abort(cause)
            for _ in range(2):
                with pytest.raises(tether.Closed) as caught:
                    await stream.read()
                assert caught.value.__cause__ is cause
                await stream.wait_closed()

    tether.run(main())


def test_a_failure_that_nobody_waited_for_is_told_to_the_next_reader_once() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            reset(client)
            await asyncio.wait_for(stream.wait_closed(), 5)
            with pytest.raises(tether.ConnectionClosed):
                await stream.read()
            for _ in range(2):
                with pytest.raises(tether.Closed) as caught:
                    await stream.read()
                assert caught.value.__cause__ is stream.error

    tether.run(main())


def test_a_second_concurrent_read_raises() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            reading = asyncio.ensure_future(stream.read())
            await asyncio.sleep(0)
            for second in (stream.read(), stream.readexactly(1)):
                with pytest.raises(RuntimeError, match="another task reads"):
                    await second
            client.send(b"for the first")
            assert await reading == b"for the first"

    tether.run(main())


def test_read_and_on_data_exclude_each_other() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            stream.on_data(print)
            with pytest.raises(RuntimeError, match="elsewhere"):
                await stream.read()
        async with stream_and_socket() as (stream, client):
            reading = asyncio.ensure_future(stream.read())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError):
                stream.on_data(print)
            client.send(b"for the reader")
            assert await asyncio.wait_for(reading, 1) == b"for the reader"

    tether.run(main())


def test_a_number_of_bytes_is_not_negative() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            for read in (stream.read, stream.readexactly):
                with pytest.raises(ValueError, match="0 or more"):
                    await read(-1)

    tether.run(main())


WAITS: dict[str, Callable[[Awaitable[Any]], Awaitable[Any]]] = {
    "wait_for": lambda one: asyncio.wait_for(one, 5),
    "gather": lambda one: asyncio.gather(one),
    "shield": lambda one: asyncio.shield(one),
    "ensure_future": lambda one: asyncio.ensure_future(one),
    "create_task": lambda one: asyncio.create_task(one),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("way", WAITS)
@pytest.mark.parametrize("ready", [False, True])
def test_a_read_may_be_awaited_any_way(way: str, ready: bool) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            if ready:
                client.send(b"hello")
                await asyncio.sleep(0.01)
            waiting = asyncio.ensure_future(WAITS[way](stream.readexactly(5)))
            await asyncio.sleep(0)
            if not ready:
                client.send(b"hello")
            assert await waiting in (b"hello", [b"hello"])

    tether.run(main())


@pytest.mark.parametrize("way", ["wait_for", "timeout", "cancel"])
def test_a_read_that_is_given_up_loses_nothing(way: str) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.send(b"begin")
            if way == "cancel":
                reading = asyncio.ensure_future(stream.readexactly(10))
                await asyncio.sleep(0.01)
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
            elif way == "wait_for":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(stream.readexactly(10), 0.02)
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await stream.readexactly(10)
            client.send(b"and on")
            assert await stream.readexactly(11) == b"beginand on"

    tether.run(main())


def test_a_wake_and_a_cancel_in_the_same_pass_lose_nothing() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            loop = asyncio.get_running_loop()
            for number in range(200):
                message = b"%05d" % number
                reading = asyncio.ensure_future(stream.readexactly(5))
                await asyncio.sleep(0)
                loop.call_soon(client.send, message)
                loop.call_later(0, reading.cancel)
                try:
                    got = await reading
                except asyncio.CancelledError:
                    got = await stream.readexactly(5)
                assert got == message

    tether.run(main())
