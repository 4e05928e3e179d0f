"""TLS comes in pieces as the network likes: a handshake and records cut at any byte."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.certificates import NAME, Peer, client_context, server_context
from tests.stream.pairs import stream_and_socket
from tests.stream.tls_pairs import stream_and_peer

pytestmark = pytest.mark.usefixtures("way")


async def until_read() -> None:
    """The loop has served what is in the socket: two passes do."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_handshake_of_single_bytes() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            peer = Peer(connection, client_context(), NAME)
            shaking = asyncio.ensure_future(stream.start_tls(server_context(), server_side=True))
            done = False
            while not done:
                done = peer.steps()
                for byte in peer.says():
                    connection.send(bytes([byte]))
                    await until_read()
                if not done:
                    peer.hears(connection.recv(65536))
            assert await shaking
            stream.send(b"hello")
            await until_read()
            assert peer.receive(5) == b"hello"
            peer.say_goodbye()

    tether.run(main())


def test_the_other_side_of_single_bytes() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            peer = Peer(connection, server_context())
            shaking = asyncio.ensure_future(
                stream.start_tls(client_context(), server_hostname=NAME)
            )
            done = False
            while not done:
                await until_read()
                peer.hears(connection.recv(65536))
                done = peer.steps()
                for byte in peer.says():
                    connection.send(bytes([byte]))
                    await until_read()
            assert await shaking
            peer.say_goodbye()
            assert await stream.read() == b""

    tether.run(main())


def test_a_record_cut_at_every_byte() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            message = bytes(range(200))
            cut, length = 1, 2
            while cut < length:
                peer.tls.write(message)
                record = peer.says()
                length = len(record)
                peer.connection.send(record[:cut])
                await until_read()
                peer.connection.send(record[cut:])
                assert await stream.readexactly(len(message)) == message
                cut += 1
            peer.say_goodbye()

    tether.run(main())


def test_several_records_and_a_piece_of_the_next_in_one_read() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            messages = [bytes([number]) * (number * 400 + 1) for number in range(40)]
            for message in messages:
                peer.tls.write(message)
            everything = peer.says()
            whole = b"".join(messages)
            for start in range(0, len(everything), 7001):
                peer.connection.send(everything[start : start + 7001])
                await until_read()
            assert await stream.readexactly(len(whole)) == whole
            peer.say_goodbye()

    tether.run(main())


@pytest.mark.parametrize("limit", [1, 20, 5000])
def test_no_more_is_handed_on_than_there_is_room_for(limit: int) -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            message = bytes(range(256)) * 256
            peer.send(message)
            got = b""
            while len(got) < min(len(message), 2000 * limit):
                piece = await stream.read(limit)
                assert 1 <= len(piece) <= limit
                got += piece
            assert message.startswith(got)

    tether.run(main())
