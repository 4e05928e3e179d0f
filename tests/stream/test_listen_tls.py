"""TLS from the first byte: streams come after their handshake."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

import tether
from tests.certificates import (
    NAME,
    Peer,
    authority,
    client_context,
    issued,
    server_context,
)
from tests.plain_sockets import open_socket
from tests.stream.tls_pairs import connected

Errors = asyncio.Queue[tether.NetworkError]


def test_a_stream_comes_when_its_handshake_is_over(way: str, poller: str) -> None:
    async def main() -> None:
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen(
            "127.0.0.1:0", streams.put_nowait, ssl=server_context()
        ) as listener:
            connection = open_socket(listener.address)
            peer = Peer(connection, client_context(), NAME)
            while listener.open_count == 0:
                await asyncio.sleep(0)
            assert streams.empty()
            assert [scope.split()[0] for scope in listener.tree().splitlines()[1:]] == ["Stream"]
            await tether.to_thread(peer.shake_hands)
            stream = await streams.get()
            assert stream.tls is not None
            assert stream.tls.version() == peer.tls.version()
            await tether.to_thread(peer.send, b"hello")
            assert await stream.readexactly(5) == b"hello"
            stream.send(b"and back")
            assert await tether.to_thread(peer.receive, 8) == b"and back"
            connection.close()
        assert stream.tls is None
        assert listener.failed_count == 0

    tether.run(main())


def test_what_comes_with_the_handshakes_end_is_not_lost(way: str) -> None:
    async def main() -> None:
        async def echo(stream: tether.Stream) -> None:
            await stream.send(await stream.readexactly(5))

        async with tether.listen("127.0.0.1:0", echo, ssl=server_context()) as listener:
            connection = open_socket(listener.address)
            peer = Peer(connection, client_context(), NAME)

            def hasty() -> bytes:
                while not peer.steps():
                    connection.sendall(peer.says())
                    peer.hears(connection.recv(65536))
                peer.tls.write(b"early")
                connection.sendall(peer.says())
                return peer.receive(5)

            assert await tether.to_thread(hasty) == b"early"
            connection.close()

    tether.run(main())


def test_an_async_handler_drives_it_and_says_goodbye(way: str) -> None:
    async def main() -> None:
        async def greet(stream: tether.Stream) -> None:
            await stream.send(b"hello")

        async with tether.listen(
            "127.0.0.1:0", greet, ssl=server_context(), shutdown_timeout=0.2
        ) as listener:
            peer = await connected(listener.address)
            # All of it, and then close_notify: `receive` says so where it is missing.
            assert await tether.to_thread(peer.receive, 100) == b"hello"
            peer.connection.close()

    tether.run(main())


def test_client_certificates(way: str) -> None:
    context = server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    authority().configure_trust(context)

    async def main() -> None:
        errors: Errors = asyncio.Queue()
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen(
            "127.0.0.1:0", streams.put_nowait, ssl=context, on_error=errors.put_nowait
        ) as listener:
            known = client_context()
            issued("client.test").configure_cert(known)
            peer = await connected(listener.address, known)
            stream = await streams.get()
            assert stream.tls is not None
            certificate = stream.tls.getpeercert()
            assert certificate is not None
            assert ("DNS", "client.test") in certificate["subjectAltName"]
            peer.connection.close()

            strange = client_context()
            trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("client.test").configure_cert(
                strange
            )
            for context_of_client, kind in [
                (client_context(), tether.TLSError),
                (strange, tether.CertificateError),
            ]:
                peer = await connected(listener.address, context_of_client)
                error = await asyncio.wait_for(errors.get(), 5)
                assert type(error) is kind
                with pytest.raises(ssl.SSLError, match="alert"):
                    await tether.to_thread(peer.receive, 1)
                peer.connection.close()
            assert streams.empty()

    tether.run(main())


def test_alpn_and_sni(way: str) -> None:
    plain, other = server_context(), server_context("other.test")
    names: list[str | None] = []

    def choose(tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        names.append(name)
        if name == "other.test":
            tls.context = other
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name == "no.test" else None

    plain.sni_callback = choose
    for one in (plain, other):
        one.set_alpn_protocols(["h2", "http/1.1"])

    async def main() -> None:
        errors: Errors = asyncio.Queue()
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen(
            "127.0.0.1:0", streams.put_nowait, ssl=plain, on_error=errors.put_nowait
        ) as listener:
            for name in (NAME, "other.test"):
                context = client_context()
                context.set_alpn_protocols(["http/1.1"])
                peer = await connected(listener.address, context, name)
                stream = await streams.get()
                assert stream.tls is not None
                assert stream.tls.selected_alpn_protocol() == "http/1.1"
                peer.connection.close()
            with pytest.raises(ssl.SSLError, match=r"unrecognized name|UNRECOGNIZED_NAME"):
                await connected(listener.address, None, "no.test")
            error = await asyncio.wait_for(errors.get(), 5)
            assert isinstance(error, tether.TLSError)
            assert names == [NAME, "other.test", "no.test"]

    tether.run(main())


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed(way: str, version: str) -> None:
    async def main() -> None:
        async def echo(stream: tether.Stream) -> None:
            await stream.send(await stream.readexactly(1))

        context = client_context()
        context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
        async with tether.listen("127.0.0.1:0", echo, ssl=server_context()) as listener:
            session = None
            for turn in range(2):
                peer = Peer(open_socket(listener.address), context, NAME)
                if session is not None:
                    peer.tls.session = session
                await tether.to_thread(peer.shake_hands)
                await tether.to_thread(peer.send, b"x")
                assert await tether.to_thread(peer.receive, 1) == b"x"
                assert peer.tls.session_reused is bool(turn)
                session = peer.tls.session
                peer.connection.close()

    tether.run(main())


def test_over_a_unix_socket(way: str, tmp_path: Path) -> None:
    async def main() -> None:
        async def echo(stream: tether.Stream) -> None:
            await stream.send(await stream.readexactly(5))

        async with tether.listen(f"unix:{tmp_path}/socket", echo, ssl=server_context()) as listener:
            peer = await connected(listener.address)
            await tether.to_thread(peer.send, b"hello")
            assert await tether.to_thread(peer.receive, 5) == b"hello"
            peer.connection.close()

    tether.run(main())


def test_an_application_serves_https() -> None:
    app = tether.App()

    @app.get("/")
    def hello(request: tether.Request) -> str:
        return "hello"

    async def main() -> None:
        async with app.listen("127.0.0.1:0", ssl=server_context()) as server:
            assert server.url == f"https://{server.address}"
            plain = open_socket(server.address)
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            peer = await connected(server.address)
            await tether.to_thread(peer.send, b"GET / HTTP/1.1\r\nHost: server.test\r\n\r\n")
            assert (await tether.to_thread(peer.receive, 12)) == b"HTTP/1.1 200"
            peer.connection.close()
            while server.failed_count == 0:
                await asyncio.sleep(0)
            plain.close()

    tether.run(main())
