"""Handshakes that fail: counted, told with their cause, and no handler hears of the stream."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable

import pytest

import tether
from tests.certificates import (
    NAME,
    Peer,
    client_context,
    server_context,
)
from tests.plain_sockets import open_socket, reset
from tests.stream.tls_pairs import connected
from tests.watch import Reports

Errors = asyncio.Queue[tether.NetworkError]


def plaintext(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")


def distrusts(connection: socket.socket) -> None:
    peer = Peer(connection, ssl.create_default_context(), NAME)
    with pytest.raises(ssl.SSLCertVerificationError):
        peer.shake_hands()
    connection.sendall(peer.says())


def other_name(connection: socket.socket) -> None:
    peer = Peer(connection, client_context(), "other.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        peer.shake_hands()
    connection.sendall(peer.says())


def old(connection: socket.socket) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        Peer(connection, context, NAME).shake_hands()


def leaves(connection: socket.socket) -> None:
    peer = Peer(connection, client_context(), NAME)
    peer.steps()
    connection.sendall(peer.says()[:50])
    connection.shutdown(socket.SHUT_WR)


def resets(connection: socket.socket) -> None:
    peer = Peer(connection, client_context(), NAME)
    peer.steps()
    connection.sendall(peer.says()[:50])
    reset(connection)


def is_silent(connection: socket.socket) -> None:
    pass


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (plaintext, tether.TLSError, "does not speak TLS"),
        (distrusts, tether.TLSAlert, "unknown ca|bad certificate"),
        (other_name, tether.TLSAlert, "bad certificate|certificate unknown"),
        (old, tether.TLSError, "unsupported protocol"),
        (leaves, tether.TLSError, "closed by the peer in the handshake"),
        (resets, tether.TLSError, "reset"),
        (is_silent, tether.ConnectTimeout, "tls to .* failed: no answer before the deadline"),
    ],
)
def test_a_failed_handshake_is_counted_and_told_and_reaches_nobody(
    fault: Callable[[socket.socket], None], kind: type[tether.NetworkError], words: str, way: str
) -> None:
    context = server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    deadline = 0.2 if fault is is_silent else 10.0

    async def main() -> None:
        errors: Errors = asyncio.Queue()
        streams: list[tether.Stream] = []
        async with tether.listen(
            "127.0.0.1:0",
            streams.append,
            ssl=context,
            on_error=errors.put_nowait,
            handshake_timeout=deadline,
        ) as listener:
            connection = open_socket(listener.address)
            name = "{}:{}".format(*connection.getsockname())
            await tether.to_thread(fault, connection)
            error = await asyncio.wait_for(errors.get(), 5)
            assert isinstance(error, kind)
            assert (error.phase, error.peer) == ("tls", name)
            assert re.search(words, str(error))
            assert listener.failed_count == 1
            assert "failed=1" in listener.describe()
            assert streams == []
            connection.close()
            # It goes on: the next one is served.
            peer = await connected(listener.address)
            while not streams:
                await asyncio.sleep(0)
            peer.connection.close()
            assert errors.empty()

    tether.run(main())


def test_without_on_error_it_is_logged_for_debugging_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with tether.listen(
            "127.0.0.1:0", lambda stream: None, ssl=server_context()
        ) as listener:
            connection = open_socket(listener.address)
            name = "{}:{}".format(*connection.getsockname())
            plaintext(connection)
            while listener.failed_count == 0:
                await asyncio.sleep(0)
            connection.close()
        [record] = [one for one in caplog.records if "handshake" in one.getMessage()]
        assert record.levelno == logging.DEBUG
        assert f"handshake with {name} failed: tls to {name} failed:" in record.getMessage()

    with caplog.at_level(logging.DEBUG, logger="tether"):
        tether.run(main())


def test_a_close_during_handshakes_is_no_failure_of_theirs() -> None:
    async def main() -> None:
        errors: list[object] = []
        listener = tether.listen(
            "127.0.0.1:0", lambda stream: None, ssl=server_context(), on_error=errors.append
        )
        clients = [open_socket(listener.address) for _ in range(3)]
        while listener.open_count < 3:
            await asyncio.sleep(0)
        listener.close(RuntimeError("planned"))
        await asyncio.wait_for(listener.wait_closed(), 5)
        assert errors == []
        assert (listener.failed_count, listener.open_count) == (0, 0)
        for client in clients:
            client.close()

    tether.run(main())


def test_on_error_may_close_the_listener_and_may_be_async() -> None:
    async def main() -> None:
        told: list[str] = []

        async def give_up(error: tether.NetworkError) -> None:
            told.append(error.phase)
            await asyncio.sleep(0)
            listener.close()

        listener = tether.listen(
            "127.0.0.1:0", lambda stream: None, ssl=server_context(), on_error=give_up
        )
        connection = open_socket(listener.address)
        plaintext(connection)
        while not told:
            await asyncio.sleep(0)
        connection.close()
        await asyncio.wait_for(listener.wait_closed(), 5)
        assert told == ["tls"]

    tether.run(main())


def test_a_callback_that_raises_closes_its_own_stream(reports: Reports) -> None:
    async def main() -> None:
        streams: list[tether.Stream] = []

        def fail(stream: tether.Stream) -> None:
            streams.append(stream)
            raise ValueError("planned")

        async with tether.listen(
            "127.0.0.1:0", fail, ssl=server_context(), shutdown_timeout=0.1
        ) as listener:
            peer = await connected(listener.address)
            while not streams:
                await asyncio.sleep(0)
            peer.connection.close()
            await asyncio.wait_for(streams[0].wait_closed(), 5)
            assert isinstance(streams[0].error, ValueError)
            assert (listener.state, listener.failed_count) == ("open", 0)

    tether.run(main())
    assert [str(error) for error in reports.take_errors()] == ["planned"]


def test_handshakes_count_towards_the_limits(reports: Reports) -> None:
    async def main() -> None:
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen(
            "127.0.0.1:0",
            streams.put_nowait,
            ssl=server_context(),
            max_connections=1,
            handshake_timeout=0.2,
        ) as listener:
            silent = open_socket(listener.address)
            peer = await connected(listener.address)  # waits for the other one's deadline
            await streams.get()
            assert (listener.accepted_count, listener.failed_count) == (2, 1)
            silent.close()
            peer.connection.close()

    tether.run(main())
    reports.take()


def test_what_is_no_servers_context_is_refused_at_once() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="client's context"):
            tether.listen("127.0.0.1:0", lambda stream: None, ssl=client_context())
        with pytest.raises(TypeError, match=r"ssl\.SSLContext or tether\.Certificates, got True"):
            tether.listen("127.0.0.1:0", lambda stream: None, ssl=True)  # type: ignore[arg-type]

    tether.run(main())


def test_a_context_that_fails_at_each_connection_is_reported(reports: Reports) -> None:
    # A certificate that nobody gave it: OpenSSL says so at the handshake.
    async def main() -> None:
        errors: Errors = asyncio.Queue()
        empty = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        async with tether.listen(
            "127.0.0.1:0", lambda stream: None, ssl=empty, on_error=errors.put_nowait
        ) as listener:
            with pytest.raises(ssl.SSLError):
                await connected(listener.address)
            error = await asyncio.wait_for(errors.get(), 5)
            assert "no shared cipher" in str(error)

    tether.run(main())
