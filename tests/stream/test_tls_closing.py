"""The end of TLS: both sides say goodbye, nobody waits for ever, nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

import tether
from tests.certificates import NAME, Peer, client_context, server_context
from tests.plain_sockets import receive_all
from tests.stream.pairs import stream_and_socket
from tests.stream.tls_pairs import stream_and_peer, two_streams

pytestmark = pytest.mark.usefixtures("way")


def test_all_that_was_sent_comes_before_the_goodbye() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            message = b"x" * 60_000
            stream.send(message)
            stream.close()
            # One byte more is asked for: the end comes by close_notify, not by the socket's end.
            assert await tether.to_thread(peer.receive, len(message) + 1) == message
            peer.say_goodbye()
            await asyncio.wait_for(stream.wait_closed(), 1)
            assert stream.error is None

    tether.run(main())


def test_the_peers_goodbye_ends_the_wait_at_once() -> None:
    async def main() -> None:
        async with two_streams() as (client, server):
            loop = asyncio.get_running_loop()
            began = loop.time()
            client.close()
            assert await server.read() == b""
            server.close()
            await client.wait_closed()
            await server.wait_closed()
            assert loop.time() - began < 1

    tether.run(main())


def test_a_peer_that_never_says_goodbye() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            peer = Peer(connection, client_context(), NAME)
            await asyncio.gather(
                stream.start_tls(server_context(), server_side=True, shutdown_timeout=0.2),
                tether.to_thread(peer.shake_hands),
            )
            loop = asyncio.get_running_loop()
            began = loop.time()
            stream.close()
            await stream.wait_closed()
            assert 0.2 <= loop.time() - began < 1.2
            assert stream.error is None  # all that was sent was taken

    tether.run(main())


def test_what_comes_after_our_goodbye_is_dropped() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            got: list[bytes] = []
            stream.on_data(got.append)
            stream.close()
            assert await tether.to_thread(peer.receive, 1) == b""
            peer.send(b"too late")
            peer.say_goodbye()
            await asyncio.wait_for(stream.wait_closed(), 1)
            assert got == []

    tether.run(main())


def test_after_the_peers_goodbye_we_may_still_speak() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            peer.send(b"question")
            peer.say_goodbye()
            assert await stream.readexactly(8) == b"question"
            assert await stream.read() == b""
            assert stream.send(b"answer")
            stream.close()
            await stream.wait_closed()
            assert peer.receive(6) == b"answer"

    tether.run(main())


def test_abort_says_nothing() -> None:
    async def main() -> None:
        async with stream_and_peer() as (stream, peer):
            stream.send(b"never sent")
            stream.abort()
            await stream.wait_closed()
            with pytest.raises(ConnectionResetError):
                peer.receive(1)

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort", "owner"])
def test_the_end_in_the_middle_of_a_handshake(end: str) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            owner = tether.Scope(name="owner")
            owner.own(stream)
            shaking = asyncio.ensure_future(stream.start_tls(server_context(), server_side=True))
            stream.send(b"never sent, since it never can be encrypted")
            peer = Peer(connection, client_context(), NAME)
            assert not peer.steps()
            connection.send(peer.says())
            await asyncio.sleep(0)
            assert not shaking.done()
            cause = ValueError("enough")
            if end == "owner":
                owner.close(cause)
            else:
                (stream.close if end == "close" else stream.abort)(cause)
            with pytest.raises(ValueError, match="enough"):
                await shaking
            await asyncio.wait_for(stream.wait_closed(), 1)
            with contextlib.suppress(ConnectionResetError):
                assert b"never sent" not in receive_all(connection)

    tether.run(main())


def on_data(stream: tether.Stream, act: Callable[[], object]) -> None:
    stream.on_data(lambda data: act())


def on_eof(stream: tether.Stream, act: Callable[[], object]) -> None:
    stream.on_data(lambda data: None)
    stream.on_eof(act)


def on_drain(stream: tether.Stream, act: Callable[[], object]) -> None:
    stream.on_drain(act)
    while stream.send(b"x" * 50_000):
        pass


def on_timer(stream: tether.Stream, act: Callable[[], object]) -> None:
    stream.after(0, act)


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("when", [on_data, on_eof, on_drain, on_timer])
def test_the_end_in_every_callback(
    when: Callable[[tether.Stream, Callable[[], object]], None], end: str
) -> None:
    async def main() -> None:
        async with two_streams() as (client, server):
            calls: list[str] = []

            def act() -> None:
                calls.append("called")
                (server.close if end == "close" else server.abort)()

            when(server, act)
            client.on_data(lambda data: None)
            client.on_eof(client.close)
            client.send(b"1")
            client.send(b"2")
            if when is on_eof:
                client.close()
            await asyncio.wait_for(server.wait_closed(), 5)
            assert calls == ["called"]
            client.close()
            await asyncio.wait_for(client.wait_closed(), 5)

    tether.run(main())


def test_the_end_when_the_handshake_is_over() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            peer = Peer(connection, client_context(), NAME)
            shaking = asyncio.ensure_future(tether.to_thread(peer.shake_hands))
            await stream.start_tls(server_context(), server_side=True)
            stream.close()
            await shaking
            assert await tether.to_thread(peer.receive, 1) == b""
            peer.say_goodbye()
            await asyncio.wait_for(stream.wait_closed(), 1)

    tether.run(main())


def test_a_handshake_that_nobody_waits_for_any_more() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, connection):
            shaking = asyncio.ensure_future(stream.start_tls(server_context(), server_side=True))
            await asyncio.sleep(0)
            shaking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await shaking
            peer = Peer(connection, client_context(), NAME)
            await tether.to_thread(peer.shake_hands)
            stream.send(b"it goes on")
            assert await tether.to_thread(peer.receive, 10) == b"it goes on"
            peer.say_goodbye()

    tether.run(main())
