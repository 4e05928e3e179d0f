"""TLS begins in the middle of a conversation: what is plain stays plain, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.certificates import NAME, Peer, client_context, server_context
from tests.stream.pairs import stream_and_socket
from tests.stream.tls_pairs import two_streams

pytestmark = pytest.mark.usefixtures("way")


def test_what_was_written_before_goes_out_plain() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            stream.send(b"220 ready\r\n")
            shaking = asyncio.ensure_future(stream.start_tls(server_context(), server_side=True))
            stream.send(b"secret")  # waits for the handshake
            await asyncio.sleep(0)
            assert connection.recv(100) == b"220 ready\r\n"
            peer = Peer(connection, client_context(), NAME)
            await asyncio.gather(shaking, tether.to_thread(peer.shake_hands))
            assert await tether.to_thread(peer.receive, 6) == b"secret"
            peer.say_goodbye()

    tether.run(main())


def test_what_was_received_before_is_the_handshake() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            peer = Peer(connection, client_context(), NAME)
            peer.steps()
            connection.send(b"STARTTLS\r\n" + peer.says())  # in one piece, without waiting
            assert await stream.readexactly(10) == b"STARTTLS\r\n"
            shaking = asyncio.ensure_future(stream.start_tls(server_context(), server_side=True))
            await asyncio.gather(shaking, tether.to_thread(peer.shake_hands))
            peer.send(b"secret")
            assert await stream.readexactly(6) == b"secret"
            peer.say_goodbye()

    tether.run(main())


def test_what_the_peer_says_with_the_end_of_its_handshake() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            shaking = asyncio.ensure_future(stream.start_tls(server_context(), server_side=True))
            peer = Peer(connection, client_context(), NAME)
            assert not peer.steps()
            connection.send(peer.says())
            peer.hears(await tether.to_thread(connection.recv, 65536))
            assert peer.steps()
            peer.tls.write(b"at once" * 5000)
            connection.sendall(peer.says())
            assert await stream.readexactly(35_000) == b"at once" * 5000
            await shaking
            peer.say_goodbye()

    tether.run(main())


def test_one_handshake_at_a_time() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            shaking = stream.start_tls(server_context(), server_side=True)
            with pytest.raises(RuntimeError, match="goes on already"):
                stream.start_tls(server_context(), server_side=True)
            stream.abort()
            with pytest.raises(tether.Closed):
                await shaking
            with pytest.raises(tether.Closed):
                stream.start_tls(server_context(), server_side=True)

    tether.run(main())


@pytest.mark.parametrize("size", [1, 100_000])
def test_tls_inside_of_tls(size: int) -> None:
    async def main() -> None:
        async with two_streams() as (client, server):
            client.send(b"outside")
            assert await server.readexactly(7) == b"outside"
            await asyncio.gather(
                client.start_tls(client_context(), server_hostname=NAME),
                server.start_tls(server_context(), server_side=True),
            )
            message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            for sender, receiver in ((client, server), (server, client)):
                assert sender.send(message)
                assert await receiver.readexactly(size) == message
            client.close()
            assert await server.read() == b""
            server.close()
            await asyncio.wait_for(client.wait_closed(), 2)
            assert client.error is None

    tether.run(main())


def test_a_paused_stream_shakes_hands_all_the_same() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            stream.pause()
            peer = Peer(connection, client_context(), NAME)
            await asyncio.gather(
                stream.start_tls(server_context(), server_side=True),
                tether.to_thread(peer.shake_hands),
            )
            peer.send(b"later")
            for _ in range(10):
                await asyncio.sleep(0)
            assert stream.bytes_received == 0
            stream.resume_reading()
            assert await stream.readexactly(5) == b"later"
            peer.say_goodbye()

    tether.run(main())


def test_what_was_agreed_on_can_be_looked_at() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            assert stream.tls is None
            peer = Peer(connection, client_context(), NAME)
            shaking = stream.start_tls(server_context(), server_side=True)
            assert stream.tls is None
            tls, _ = await asyncio.gather(shaking, tether.to_thread(peer.shake_hands))
            assert stream.tls is tls
            assert tls.version() == peer.tls.version()
            stream.abort()
            await stream.wait_closed()
            assert stream.tls is None

    tether.run(main())
