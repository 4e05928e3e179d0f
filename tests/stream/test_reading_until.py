"""Reading up to a separator: found wherever the pieces split, and never beyond its limit."""

from __future__ import annotations

import asyncio
import socket

import pytest

import tether
from tests.stream.pairs import stream_and_socket


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"--end--"])
def test_it_is_found_at_every_split(separator: bytes) -> None:
    async def main() -> None:
        message = b"first" + separator + b"-- \r second" + separator
        async with stream_and_socket() as (stream, client):
            for cut in range(1, len(message)):
                reading = asyncio.ensure_future(stream.readuntil(separator))
                before = stream.bytes_received
                client.send(message[:cut])
                while stream.bytes_received < before + cut:
                    await asyncio.sleep(0)
                client.send(message[cut:])
                assert await reading == b"first" + separator
                assert await stream.readuntil(separator) == b"-- \r second" + separator

    tether.run(main())


def test_more_than_the_read_mark_comes_where_the_limit_allows_it() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            line = b"x" * 300_000 + b"\n"
            sending = asyncio.ensure_future(tether.to_thread(client.sendall, line + b"rest"))
            assert await stream.readuntil(b"\n", 400_000) == line
            assert await stream.readexactly(4) == b"rest"
            await sending

    tether.run(main())


@pytest.mark.parametrize("line", [b"x" * 11, b"x" * 11 + b"\n", b"x" * 10 + b"\n"])
def test_a_longer_one_is_an_error_and_stays_readable(line: bytes) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.send(line)
            with pytest.raises(tether.ProtocolError, match="within 10 bytes"):
                await stream.readuntil(b"\n", 10)
            assert stream.state == "open"
            assert await stream.readexactly(len(line)) == line

    tether.run(main())


def test_the_end_of_file_before_it_is_an_error_and_what_came_stays_readable() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.send(b"half a line")
            client.shutdown(socket.SHUT_WR)
            with pytest.raises(tether.ConnectionClosed, match=r"after 11 bytes, before b'\\n'"):
                await stream.readuntil()
            assert await stream.read() == b"half a line"
            assert await stream.read() == b""

    tether.run(main())


def test_a_cancelled_wait_takes_nothing() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            reading = asyncio.ensure_future(stream.readuntil())
            client.send(b"one ")
            while not stream.bytes_received:
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            client.send(b"line\n")
            assert await stream.readuntil() == b"one line\n"

    tether.run(main())


def test_a_stream_is_iterated_by_what_comes() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.send(b"all of it")
            client.shutdown(socket.SHUT_WR)
            assert b"".join([data async for data in stream]) == b"all of it"

    tether.run(main())


def test_an_empty_separator_is_refused() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            with pytest.raises(ValueError, match="at least one byte"):
                await stream.readuntil(b"")

    tether.run(main())
