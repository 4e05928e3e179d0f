"""What a listener sets on each stream: marks, linger, and the options of its socket."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest

import tether
from tests.plain_sockets import open_socket, receive_exactly
from tests.stream.pairs import fill


async def accepted(**settings: Any) -> tuple[tether.Listener, tether.Stream, socket.socket]:
    streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
    listener = tether.listen("127.0.0.1:0", streams.put_nowait, **settings)
    client = open_socket(listener.address, receive_buffer=4096)
    return listener, await streams.get(), client


async def end(listener: tether.Listener, client: socket.socket) -> None:
    client.close()
    listener.abort()
    await listener.wait_closed()


def option(stream: tether.Stream, level: int, name: int) -> int:
    with socket.socket(fileno=os.dup(stream.fileno())) as sock:
        return sock.getsockopt(level, name)


def test_the_write_marks() -> None:
    async def main() -> None:
        listener, stream, client = await accepted(write_high=3000, write_low=0)
        # In one turn, before anything leaves.
        assert [bool(stream.send(b"x" * 1000)) for _ in range(4)] == [True, True, True, False]
        assert stream.buffered == 3000
        await stream.send(b"last")
        assert stream.bytes_sent >= 3000
        assert len(await tether.to_thread(receive_exactly, client, 3004)) == 3004
        await end(listener, client)

    tether.run(main())


def test_the_read_mark() -> None:
    async def main() -> None:
        listener, stream, client = await accepted(read_high=100)
        client.sendall(b"x" * 1000)
        pieces: list[int] = []
        while sum(pieces) < 1000:
            pieces.append(len(await stream.read()))
        assert max(pieces) == 100
        await end(listener, client)

    tether.run(main())


def test_linger_is_how_long_a_flush_may_take() -> None:
    async def main() -> None:
        listener, stream, client = await accepted(linger=0.05)
        await fill(stream)
        stream.close()
        await asyncio.wait_for(stream.wait_closed(), 2)
        assert isinstance(stream.error, tether.WriteTimeout)
        await end(listener, client)

    tether.run(main())


def test_nodelay_and_keepalive() -> None:
    async def main() -> None:
        listener, stream, client = await accepted()
        assert option(stream, socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert option(stream, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        await end(listener, client)
        listener, stream, client = await accepted(nodelay=False, keepalive=30)
        assert option(stream, socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        assert option(stream, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert option(stream, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert option(stream, socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
        assert option(stream, socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
        await end(listener, client)

    tether.run(main())


def test_inherited_sockets_get_them_too() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
            async with tether.listen(f"fd:{server.fileno()}", streams.put_nowait) as listener:
                client = open_socket(listener.address)
                stream = await streams.get()
                assert option(stream, socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                client.close()

    tether.run(main())


def test_a_deferred_accept_waits_for_the_first_byte() -> None:
    async def main() -> None:
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen("127.0.0.1:0", streams.put_nowait, defer_accept=30) as listener:
            with socket.socket(fileno=os.dup(listener.fileno())) as listening:
                assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) >= 30
        async with tether.listen("127.0.0.1:0", streams.put_nowait) as listener:
            with socket.socket(fileno=os.dup(listener.fileno())) as listening:
                assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) == 0

    tether.run(main())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"write_high": 10, "write_low": 11}, "write_low is no more than write_high"),
        ({"write_high": -1}, "write_high"),
        ({"read_high": 0}, "read_high"),
        ({"linger": -1}, "linger"),
        ({"handshake_timeout": -1}, "handshake_timeout"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_bound(
    settings: dict[str, Any], complaint: str
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        with pytest.raises(ValueError, match=complaint):
            tether.listen("127.0.0.1:0", lambda stream: None, **settings)
        assert len(loop.tree().splitlines()) == 1

    tether.run(main())
