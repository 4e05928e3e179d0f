"""TLS carries what was sent, whatever its size, in both directions and both versions."""

from __future__ import annotations

import asyncio
import ssl

import pytest

import tether
from tests.certificates import NAME, authority, client_context, issued, server_context
from tests.plain_sockets import open_socket
from tests.stream.tls_pairs import stream_and_peer, two_streams

pytestmark = pytest.mark.usefixtures("way")

SIZES = [1, 100, 16_384, 16_385, 65_536, 1_000_000]


async def echo(stream: tether.Stream) -> None:
    await stream.start_tls(server_context(), server_side=True)
    while data := await stream.read():
        await stream.send(data)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", SIZES)
def test_a_client_of_the_standard_library(size: int, version: ssl.TLSVersion) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    def talk(address: str) -> bytes:
        got = bytearray()
        with context.wrap_socket(open_socket(address), server_hostname=NAME) as client:
            for start in range(0, size, 30_000):  # less than the echo's marks hold
                part = message[start : start + 30_000]
                client.sendall(part)
                while len(got) < start + len(part):
                    got += client.recv(65536)
            client.unwrap().close()
        return bytes(got)

    async def main() -> None:
        async with tether.listen("127.0.0.1:0", echo) as listener:
            assert await tether.to_thread(talk, listener.address) == message

    tether.run(main())


@pytest.mark.parametrize("size", SIZES)
def test_two_streams(size: int) -> None:
    async def main() -> None:
        async with two_streams() as (client, server):
            for sender, receiver in ((client, server), (server, client)):
                message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
                assert sender.send(message)
                assert await receiver.readexactly(size) == message

    tether.run(main())


def test_many_small_messages_keep_their_order() -> None:
    async def main() -> None:
        async with two_streams() as (client, server):
            numbers = [str(number).encode() + b"," for number in range(5000)]
            for number in numbers:
                await client.send(number)
                await client.send(b"")  # nothing is nothing
            expected = b"".join(numbers)
            assert await server.readexactly(len(expected)) == expected

    tether.run(main())


def test_callbacks_get_plaintext() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            got: list[bytes] = []
            ended = asyncio.Event()
            stream.on_data(got.append)
            stream.on_eof(ended.set)
            peer.send(b"one")
            peer.send(b"two")
            peer.say_goodbye()
            await ended.wait()
            assert b"".join(got) == b"onetwo"

    tether.run(main())


def test_the_handshake_tells_what_was_agreed() -> None:
    async def main() -> None:
        offers, has = client_context(), server_context()
        offers.set_alpn_protocols(["h2", "http/1.1"])
        has.set_alpn_protocols(["http/1.1"])
        accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
        async with tether.listen("127.0.0.1:0", accepted.set_result) as listener:
            client = await tether.connect(listener.address)
            server = await accepted
            ours, theirs = await asyncio.gather(
                client.start_tls(offers, server_hostname=NAME),
                server.start_tls(has, server_side=True),
            )
            assert ours.selected_alpn_protocol() == theirs.selected_alpn_protocol() == "http/1.1"
            certificate = ours.getpeercert()
            assert certificate is not None
            assert certificate["subjectAltName"] == (("DNS", NAME),)
            assert theirs.getpeercert() is None
            assert ours.version() == "TLSv1.3"
            client.close()

    tether.run(main())


def test_a_client_shows_its_certificate_where_it_is_asked() -> None:
    async def main() -> None:
        asks, shows = server_context(), client_context()
        asks.verify_mode = ssl.CERT_REQUIRED
        authority().configure_trust(asks)
        issued("client.test").configure_cert(shows)
        accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
        async with tether.listen("127.0.0.1:0", accepted.set_result) as listener:
            client = await tether.connect(listener.address)
            server = await accepted
            _, seen = await asyncio.gather(
                client.start_tls(shows, server_hostname=NAME),
                server.start_tls(asks, server_side=True),
            )
            certificate = seen.getpeercert()
            assert certificate is not None
            assert certificate["subjectAltName"] == (("DNS", "client.test"),)
            client.close()

    tether.run(main())
