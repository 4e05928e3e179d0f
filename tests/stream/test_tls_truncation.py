"""An end without close_notify is told as what it is: what came may have been cut short."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

import tether
from tests.stream.tls_pairs import stream_and_peer

pytestmark = pytest.mark.usefixtures("way")


def test_a_reader_gets_what_came_and_then_the_news() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            peer.send(b"half of it")
            peer.connection.shutdown(socket.SHUT_WR)
            while not stream.bytes_received:
                await asyncio.sleep(0)
            assert await stream.read(4) == b"half"
            assert await stream.read() == b" of it"
            with pytest.raises(tether.TLSTruncated) as caught:
                await stream.read()
            assert isinstance(caught.value, ssl.SSLEOFError)
            assert caught.value.token == "connection_terminated"
            await stream.wait_closed()
            assert isinstance(stream.error, tether.TLSTruncated)

    tether.run(main())


def test_who_waits_is_told() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            reading = asyncio.ensure_future(stream.readexactly(100))
            await asyncio.sleep(0)
            peer.send(b"half of it")
            peer.connection.shutdown(socket.SHUT_WR)
            with pytest.raises(tether.TLSTruncated):
                await reading

    tether.run(main())


def test_a_record_cut_short() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            peer.tls.write(b"half of it")
            peer.connection.send(peer.says()[:-1])
            peer.connection.shutdown(socket.SHUT_WR)
            with pytest.raises(tether.TLSTruncated):
                await stream.read()

    tether.run(main())


def test_a_stream_of_callbacks_closes_with_it() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            got: list[bytes] = []
            stream.on_data(got.append)
            stream.on_eof(lambda: got.append(b"a clean end"))
            peer.send(b"half of it")
            peer.connection.shutdown(socket.SHUT_WR)
            await stream.wait_closed()
            assert got == [b"half of it"]
            assert isinstance(stream.error, tether.TLSTruncated)

    tether.run(main())


def test_after_close_notify_the_end_is_clean() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            peer.send(b"all of it")
            peer.say_goodbye()
            peer.connection.shutdown(socket.SHUT_WR)
            assert await stream.readexactly(9) == b"all of it"
            assert await stream.read() == b""
            stream.close()
            await stream.wait_closed()
            assert stream.error is None

    tether.run(main())
