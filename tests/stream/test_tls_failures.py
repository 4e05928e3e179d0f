"""A handshake that fails says why: a class, a phase, a cause; and the peer is told as well."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable
from typing import TypeVar

import pytest

import tether
from tests.certificates import (
    NAME,
    Peer,
    client_context,
    self_signed_context,
    server_context,
)
from tests.plain_sockets import receive_all, reset
from tests.stream.pairs import stream_and_socket
from tests.stream.tls_pairs import stream_and_peer

pytestmark = pytest.mark.usefixtures("way")

Kind = TypeVar("Kind", bound=tether.NetworkError)


async def failure(kind: type[Kind], stream: tether.Stream, shaking: Awaitable[object]) -> Kind:
    """What the handshake raises: it is the stream's cause too, and the stream closes."""
    with pytest.raises(kind) as caught:
        await shaking
    error = caught.value
    assert type(error) is kind
    assert type(stream.error) is kind
    await stream.wait_closed()
    assert error.phase == "tls"
    assert error.peer == stream.peer
    assert error.elapsed is not None
    return error


def shake_hands(connection: socket.socket, context: ssl.SSLContext, name: str = "") -> ssl.SSLError:
    """The peer's side of a handshake that fails: with what."""
    peer = Peer(connection, context, name)
    with pytest.raises(ssl.SSLError) as caught:
        peer.shake_hands()
        peer.receive(1)  # in TLS 1.3 the client is done first
    connection.sendall(peer.says())
    connection.close()
    return caught.value


@pytest.mark.parametrize(
    ("context", "said"),
    [
        pytest.param(server_context("other.test"), "certificate is not valid for", id="wrong name"),
        pytest.param(server_context(is_expired=True), "certificate has expired", id="expired"),
        pytest.param(self_signed_context(), "self.signed certificate", id="self-signed"),
    ],
)
def test_a_certificate_that_is_refused(context: ssl.SSLContext, said: str) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            shaking = stream.start_tls(client_context(), server_hostname=NAME)
            peer = asyncio.ensure_future(tether.to_thread(shake_hands, connection, context))
            error = await failure(tether.CertificateError, stream, shaking)
            assert isinstance(error, ssl.SSLCertVerificationError)
            assert error.token == "tls_certificate_error"
            assert re.search(said, str(error))
            # The peer does not only see an end: it is told why.
            assert re.search("alert", str(await peer))

    tether.run(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_peer_that_refuses_our_certificate(version: ssl.TLSVersion) -> None:
    async def main() -> None:
        context = client_context()
        context.minimum_version = context.maximum_version = version
        async with stream_and_socket() as (stream, connection):
            shaking = stream.start_tls(server_context("other.test"), server_side=True)
            peer = asyncio.ensure_future(tether.to_thread(shake_hands, connection, context, NAME))
            error = await failure(tether.TLSAlert, stream, shaking)
            assert isinstance(error, ssl.SSLError)
            assert error.token == "tls_alert_received"
            assert "alert: bad certificate" in str(error)
            assert isinstance(await peer, ssl.SSLCertVerificationError)

    tether.run(main())


def test_no_version_in_common() -> None:
    async def main() -> None:
        ours, theirs = server_context(), client_context()
        ours.minimum_version = ssl.TLSVersion.TLSv1_3
        theirs.maximum_version = ssl.TLSVersion.TLSv1_2
        async with stream_and_socket() as (stream, connection):
            shaking = stream.start_tls(ours, server_side=True)
            peer = asyncio.ensure_future(tether.to_thread(shake_hands, connection, theirs, NAME))
            error = await failure(tether.TLSError, stream, shaking)
            assert "unsupported protocol" in str(error)
            assert "ALERT" in (await peer).reason

    tether.run(main())


@pytest.mark.parametrize("is_server", [True, False])
def test_a_peer_that_speaks_plaintext(is_server: bool) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            if is_server:
                shaking = stream.start_tls(server_context(), server_side=True)
                connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            else:
                shaking = stream.start_tls(client_context(), server_hostname=NAME)
                connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            error = await asyncio.wait_for(
                asyncio.ensure_future(told_and_gone(stream, shaking, connection)), 10
            )
            assert error.token == "tls_protocol_error"
            assert "the peer does not speak TLS" in str(error)

    async def told_and_gone(
        stream: tether.Stream, shaking: Awaitable[object], connection: socket.socket
    ) -> tether.TLSError:
        leaving = asyncio.ensure_future(tether.to_thread(receive_and_close, connection))
        error = await failure(tether.TLSError, stream, shaking)
        await leaving
        return error

    def receive_and_close(connection: socket.socket) -> None:
        receive_all(connection)
        connection.close()

    tether.run(main())


@pytest.mark.parametrize("is_server", [True, False])
def test_a_peer_that_says_nothing(is_server: bool) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            loop = asyncio.get_running_loop()
            began = loop.time()
            if is_server:
                shaking = stream.start_tls(
                    server_context(), server_side=True, handshake_timeout=0.2
                )
            else:
                shaking = stream.start_tls(
                    client_context(), server_hostname=NAME, handshake_timeout=0.2
                )
            error = await failure(tether.ConnectTimeout, stream, shaking)
            assert 0.2 <= loop.time() - began < 1.2
            assert error.token == "connection_timeout"
            assert error.elapsed == 0.2

    tether.run(main())


@pytest.mark.parametrize("said", [0, 1, 200])
def test_a_peer_that_stops_in_the_middle(said: int) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            peer = Peer(connection, client_context(), NAME)
            assert not peer.steps()
            connection.send(peer.says()[:said])
            shaking = stream.start_tls(server_context(), server_side=True, handshake_timeout=0.1)
            await failure(tether.ConnectTimeout, stream, shaking)

    tether.run(main())


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["end of file", "reset"])
@pytest.mark.parametrize("said", [0, 100])
def test_a_peer_that_leaves_in_the_middle(said: int, leave: object) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            peer = Peer(connection, client_context(), NAME)
            assert not peer.steps()
            connection.send(peer.says()[:said])
            shaking = stream.start_tls(server_context(), server_side=True)
            leave(connection)  # type: ignore[operator]
            error = await failure(tether.TLSError, stream, shaking)
            assert error.errno == (104 if leave is reset else None)

    tether.run(main())


def test_each_who_waits_is_told_once() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            shaking = stream.start_tls(server_context(), server_side=True)
            reading = asyncio.ensure_future(stream.read())
            connection.send(b"no TLS at all\r\n")
            connection.close()
            with pytest.raises(tether.TLSError) as first:
                await shaking
            with pytest.raises(tether.TLSError) as second:
                await reading
            assert first.value is not second.value

    tether.run(main())


def test_garbage_after_the_handshake() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            peer.send(b"good")
            peer.connection.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record nobody encrypted
            assert await stream.read() == b"good"
            with pytest.raises(tether.TLSError, match="bad record mac") as caught:
                await stream.read()
            assert caught.value.phase == "message"
            with pytest.raises(ssl.SSLError, match="alert bad record mac"):
                await tether.to_thread(peer.receive, 1)

    tether.run(main())


def test_what_is_no_context_is_refused_at_once() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            with pytest.raises(TypeError, match="SSLContext"):
                stream.start_tls(None)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="hostname"):
                stream.start_tls(client_context())
            connection.send(b"still plain")
            assert await stream.read() == b"still plain"

    tether.run(main())
