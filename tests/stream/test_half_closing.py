"""One direction ends while the other goes on, and who does not read hears that the peer left."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

import tether
from tests.plain_sockets import receive_all, reset
from tests.stream.pairs import fill, stream_and_socket


def test_the_end_of_file_follows_all_that_was_sent_and_reading_goes_on() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=4096) as (stream, client):
            taken = await fill(stream)
            stream.send_eof()
            assert len(await tether.to_thread(receive_all, client)) == taken
            client.send(b"reply")
            assert await stream.read() == b"reply"
            with pytest.raises(RuntimeError, match="after send_eof"):
                stream.send(b"more")
            stream.send_eof()  # again: nothing happens
            assert stream.state == "open"

    tether.run(main())


@pytest.mark.parametrize("leave", [lambda client: client.shutdown(socket.SHUT_WR), reset])
def test_a_peer_that_leaves_is_told_though_nobody_reads(
    leave: Callable[[socket.socket], object], poller: str
) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            if not asyncio.get_running_loop().poller.early_close:  # type: ignore[attr-defined]
                return await told_when_read(stream, client)
            told = asyncio.Event()
            stream.pause()
            stream.on_peer_closed(told.set)
            client.send(b"unread")
            leave(client)
            await asyncio.wait_for(told.wait(), 5)
            assert stream.is_peer_closed
            assert stream.state == "open"
        return None

    async def told_when_read(stream: tether.Stream, client: socket.socket) -> None:
        told = asyncio.Event()
        stream.on_peer_closed(told.set)
        client.shutdown(socket.SHUT_WR)
        assert await stream.read() == b""
        await asyncio.wait_for(told.wait(), 5)

    tether.run(main())


def test_who_asks_late_is_told_at_once() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.shutdown(socket.SHUT_WR)
            assert await stream.read() == b""
            told: list[int] = []
            stream.on_peer_closed(lambda: told.append(1))
            await asyncio.sleep(0.01)
            assert told == [1]
            assert stream.is_peer_closed

    tether.run(main())


def test_options_of_the_socket_are_set_and_the_descriptor_still_closes_once() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            stream.close()
            await stream.wait_closed()
            assert await tether.to_thread(receive_all, client) == b""
            with pytest.raises(tether.Closed):
                stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    tether.run(main())
