"""Parts of files and buffers are sent in their place among the messages, without being copied."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import pytest

import tether
from tests.plain_sockets import receive_all
from tests.stream.pairs import fill, stream_and_socket
from tests.stream.tls_pairs import two_streams


@pytest.fixture
def content() -> bytes:
    return os.urandom(1 << 20)


@pytest.fixture
def file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


async def send_pieces(stream: tether.Stream, file: Path) -> None:
    await stream.send(b"head")
    with file.open("rb") as opened:
        await stream.send_file(opened, 10, 500_000)
        await stream.send(b"middle")
        await stream.send_file(opened.fileno(), 999_999)
    await stream.send(b"tail")
    stream.close()


def expected(content: bytes) -> bytes:
    return b"head" + content[10:500_010] + b"middle" + content[999_999:] + b"tail"


def test_files_come_in_their_place(file: Path, content: bytes) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            receiving = asyncio.ensure_future(tether.to_thread(receive_all, client))
            await send_pieces(stream, file)
            assert await receiving == expected(content)

    tether.run(main())


def test_over_tls_too(file: Path, content: bytes, way: str) -> None:
    async def main() -> None:
        async with two_streams() as (client, server):
            sending = asyncio.ensure_future(send_pieces(server, file))
            assert b"".join([data async for data in client]) == expected(content)
            await sending

    tether.run(main())


def test_a_file_above_the_mark_is_not_taken_and_then_waits_for_its_turn(
    file: Path, content: bytes
) -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            taken = await fill(stream)
            with file.open("rb") as opened:
                outcome = stream.send_file(opened)
            assert not outcome
            receiving = asyncio.ensure_future(tether.to_thread(receive_all, client))
            await outcome
            stream.close()
            assert await receiving == b"x" * taken + content

    tether.run(main())


def test_a_file_that_became_shorter_closes_the_stream_with_that_cause(file: Path) -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            with file.open("r+b") as opened:
                stream.send_file(opened)
                opened.truncate(0)  # before anything of it was sent
            await asyncio.wait_for(stream.wait_closed(), 5)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            assert isinstance(stream.error, tether.LocalError)
            assert "input/output error" in str(stream.error)

    tether.run(main())


def test_a_buffer_is_empty_once_it_was_taken() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            buffer = tether.Buffer(b"one ")
            buffer.append(b"two " * 1000)
            released: list[bytes] = []
            buffer.append_reference(b"three", released.append)
            whole = bytes(buffer)
            receiving = asyncio.ensure_future(tether.to_thread(receive_all, client))
            assert stream.send(buffer)
            assert len(buffer) == 0
            stream.close()
            assert await receiving == whole
            assert released == [b"three"]

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_is_released_may_end_the_stream(end: str) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            buffer = tether.Buffer()
            buffer.append_reference(b"first", lambda data: getattr(stream, end)())
            buffer.append_reference(b"second" * 100_000)
            stream.send(buffer)
            await asyncio.wait_for(asyncio.gather(closed(stream), drain(client)), 5)
            assert stream.error is None

    async def closed(stream: tether.Stream) -> None:
        await stream.wait_closed()

    async def drain(client: socket.socket) -> None:
        with contextlib.suppress(ConnectionResetError):
            await tether.to_thread(receive_all, client)

    tether.run(main())


def test_over_tls_a_buffer_is_copied_and_released_at_once(way: str) -> None:
    async def main() -> None:
        async with two_streams() as (client, server):
            released: list[bytes] = []
            buffer = tether.Buffer(b"one ")
            buffer.append_reference(b"two", released.append)
            assert server.send(buffer)
            assert (len(buffer), released) == (0, [b"two"])
            assert await client.readexactly(7) == b"one two"

    tether.run(main())


def test_a_buffer_that_was_not_taken_is_as_it_was() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            taken = await fill(stream)
            buffer = tether.Buffer(b"later")
            outcome = stream.send(buffer)
            assert not outcome
            assert bytes(buffer) == b"later"
            receiving = asyncio.ensure_future(tether.to_thread(receive_all, client))
            await outcome
            assert len(buffer) == 0
            stream.close()
            assert await receiving == b"x" * taken + b"later"

    tether.run(main())
