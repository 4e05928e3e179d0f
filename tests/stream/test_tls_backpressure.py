"""Under TLS as without: marks bound what waits, pausing reads no more, nothing is lost."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

import tether
from tests.stream.pairs import fill
from tests.stream.tls_pairs import stream_and_peer, two_streams
from tether.stream.channel import WRITE_HIGH

pytestmark = pytest.mark.usefixtures("way")


def test_big_transfers_both_ways_at_once() -> None:
    async def main() -> None:
        size, piece = 8_000_000, 50_000

        async def send_all(stream: tether.Stream, seed: int) -> bytes:
            digest = hashlib.sha256()
            for number in range(size // piece):
                data = (seed + number).to_bytes(4, "big") * (piece // 4)
                digest.update(data)
                await stream.send(data)
                assert stream.buffered <= WRITE_HIGH + 2 * piece
            return digest.digest()

        async def receive_all(stream: tether.Stream) -> bytes:
            digest = hashlib.sha256()
            got = 0
            while got < size:
                data = await stream.read(100_000)
                assert data
                got += len(data)
                digest.update(data)
            return digest.digest()

        async with two_streams() as (client, server):
            sent, answered, received, heard = await asyncio.gather(
                send_all(client, 1), send_all(server, 2), receive_all(server), receive_all(client)
            )
            assert (sent, answered) == (received, heard)

    tether.run(main())


def test_a_peer_that_does_not_read_costs_no_more_than_the_mark() -> None:
    async def main() -> None:
        async with stream_and_peer(receive_buffer=4096) as (stream, peer):
            piece = b"x" * 8192
            taken = await fill(stream, piece)
            assert not stream.send(b"more")
            assert stream.buffered < WRITE_HIGH + 2 * len(piece)
            stream.close()
            assert await tether.to_thread(peer.receive, taken) == b"x" * taken
            peer.say_goodbye()

    tether.run(main())


def test_waiting_to_send_ends_when_there_is_room() -> None:
    async def main() -> None:
        async with stream_and_peer(receive_buffer=4096) as (stream, peer):
            drains: list[int] = []
            stream.on_drain(lambda: drains.append(stream.buffered))
            taken = await fill(stream)
            receiving = asyncio.ensure_future(tether.to_thread(peer.receive, taken + 5))
            await stream.send(b"after")
            assert (await receiving).endswith(b"xafter")
            assert drains
            assert max(drains) <= 16 * 1024
            peer.say_goodbye()

    tether.run(main())


def test_a_paused_stream_is_read_no_more() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            got: list[bytes] = []

            @stream.on_data
            def pause(data: bytes) -> None:
                got.append(data)
                stream.pause()

            peer.send(b"first")
            while not got:
                await asyncio.sleep(0)
            peer.send(b"second" * 10_000)
            for _ in range(10):
                await asyncio.sleep(0)
            assert got == [b"first"]
            while len(b"".join(got)) < 60_005:
                stream.resume_reading()
                await asyncio.sleep(0)
            assert b"".join(got) == b"first" + b"second" * 10_000
            peer.say_goodbye()

    tether.run(main())
