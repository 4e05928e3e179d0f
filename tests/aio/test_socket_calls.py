"""`loop.sock_*` on real sockets: at once, after a wait, cancelled while waiting, and refused."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.aio.both_loops import LoopFactory, on_both, passes, run


def pair(kind: int = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
    here, there = socket.socketpair(socket.AF_UNIX, kind)
    here.setblocking(False)
    there.setblocking(False)
    return here, there


def listener() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


@on_both
@pytest.mark.parametrize("waits", [False, True])
def test_receiving(factory: LoopFactory, waits: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        memory = bytearray(10)
        calls: list[Callable[[socket.socket], Awaitable[Any]]] = [
            lambda sock: loop.sock_recv(sock, 100),
            lambda sock: loop.sock_recv_into(sock, memory),
            lambda sock: loop.sock_recvfrom(sock, 100),
            lambda sock: loop.sock_recvfrom_into(sock, memory),
            lambda sock: loop.sock_recvfrom_into(sock, memory, 3),
        ]
        for call in calls:
            here, there = pair(socket.SOCK_DGRAM)
            with here, there:
                if waits:
                    task = asyncio.ensure_future(call(here))
                    await passes()
                    assert not task.done()
                    there.send(b"hello")
                    result = await task
                else:
                    there.send(b"hello")
                    result = await call(here)
            if result == b"hello":
                continue
            assert result in (5, (b"hello", None), (5, None), (3, None))
            if result in (5, (5, None)):
                assert memory[:5] == b"hello"

    run(factory, main())


@on_both
def test_sending_all(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        here, there = pair()
        payload = os.urandom(3_000_000)
        got = bytearray()
        with here, there:
            task = asyncio.create_task(loop.sock_sendall(here, memoryview(payload)))
            await passes()
            assert not task.done()
            while len(got) < len(payload):
                got += await loop.sock_recv(there, 1_000_000)
            await task
            assert got == payload
            here.close()
            assert await loop.sock_recv(there, 1) == b""

    run(factory, main())


@on_both
def test_sending_to_an_address(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reading = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sending = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with reading, sending:
            reading.bind(str(tmp_path / "socket"))
            reading.setblocking(False)
            sending.setblocking(False)

            async def send(count: int) -> None:
                for number in range(count):
                    size = await loop.sock_sendto(sending, b"%3d" % number, reading.getsockname())
                    assert size == 3

            # More than the queue holds: it has to wait.
            task = asyncio.create_task(send(1000))
            await passes()
            for number in range(1000):
                assert await loop.sock_recvfrom(reading, 10) == (b"%3d" % number, None)
            await task

    run(factory, main())


@on_both
def test_accepting_and_connecting(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listener() as server, socket.socket() as client:
            client.setblocking(False)
            task = asyncio.create_task(loop.sock_accept(server))
            await passes()
            await loop.sock_connect(client, server.getsockname())
            accepted, address = await task
            with accepted:
                assert not accepted.getblocking()
                assert address == client.getsockname()
                await loop.sock_sendall(client, b"hello")
                assert await loop.sock_recv(accepted, 10) == b"hello"
        with socket.socket() as client:
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(client, address)

    run(factory, main())


@on_both
def test_sending_a_file(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        payload = os.urandom(2_000_000)
        path = tmp_path / "file"
        path.write_bytes(payload)
        with listener() as server, socket.socket() as client, path.open("rb") as file:
            client.setblocking(False)
            await loop.sock_connect(client, server.getsockname())
            accepted, _ = await loop.sock_accept(server)
            with accepted:
                task = asyncio.create_task(loop.sock_sendfile(client, file, 100, 1_900_000))
                got = bytearray()
                while len(got) < 1_900_000:
                    got += await loop.sock_recv(accepted, 1_000_000)
                assert await task == 1_900_000
                assert got == payload[100:1_900_100]
                assert file.tell() == 1_900_100

    run(factory, main())


@on_both
def test_a_blocking_socket_is_refused_in_debug_mode(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        here, there = socket.socketpair()
        with here, there, pytest.raises(ValueError, match="non-blocking"):
            await loop.sock_recv(here, 1)
        loop.set_debug(False)

    run(factory, main())


@on_both
def test_a_cancelled_call_takes_nothing_and_leaves_nothing(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        here, there = pair()
        for _ in range(20):
            task = asyncio.create_task(loop.sock_recv(here, 10))
            await passes()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # The next socket gets the same number, and knows nothing of the first one's wait.
            number = here.fileno()
            here.close()
            there.close()
            here, there = pair()
            assert number in (here.fileno(), there.fileno())
            waiting = asyncio.create_task(loop.sock_recv(here, 10))
            await passes()
            assert not waiting.done()
            there.send(b"fresh")
            assert await waiting == b"fresh"
        # A cancel in the pass in which the bytes come leaves them in the socket.
        task = asyncio.create_task(loop.sock_recv(here, 10))
        await passes()
        there.send(b"kept")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await loop.sock_recv(here, 10) == b"kept"
        # And so for one that waits to send.
        while True:
            try:
                here.send(bytes(100_000))
            except BlockingIOError:
                break
        sending = asyncio.create_task(loop.sock_sendall(here, b"never"))
        await passes()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        here.close()
        got = b""
        while data := await loop.sock_recv(there, 1_000_000):
            got = data
        assert b"never" not in got
        there.close()

    run(factory, main())


@on_both
def test_a_cancelled_connect_and_accept(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listener() as server:
            accepting = asyncio.create_task(loop.sock_accept(server))
            await passes()
            accepting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await accepting
            # A listener whose backlog is full does not answer: the connect waits.
            with socket.socket() as full, socket.socket() as one, socket.socket() as late:
                full.bind(("127.0.0.1", 0))
                full.listen(0)
                one.connect(full.getsockname())
                late.setblocking(False)
                connecting = asyncio.create_task(loop.sock_connect(late, full.getsockname()))
                await passes()
                assert not connecting.done()
                connecting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connecting
            with socket.create_connection(server.getsockname()):
                accepted, _ = await loop.sock_accept(server)
                accepted.close()

    run(factory, main())


@on_both
def test_reading_and_writing_at_once(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        here, there = pair()
        payload = bytes(2_000_000)
        with here, there:
            receiving = asyncio.create_task(loop.sock_recv(here, 10))
            sending = asyncio.create_task(loop.sock_sendall(here, payload))
            await passes()
            there.send(b"hello")
            assert await receiving == b"hello"
            assert not sending.done()
            got = 0
            while got < len(payload):
                got += len(await loop.sock_recv(there, 1_000_000))
            await sending

    run(factory, main())


@on_both
def test_a_transports_descriptor_is_refused(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        datagrams, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=udp)
        with listener() as server:
            tcp = socket.socket()
            tcp.setblocking(False)
            await loop.sock_connect(tcp, server.getsockname())
            stream, _ = await loop.create_connection(asyncio.Protocol, sock=tcp)
            for sock in (udp, tcp):
                with pytest.raises(RuntimeError, match="is used by transport"):
                    await loop.sock_recv(sock, 1)
                with pytest.raises(RuntimeError, match="is used by transport"):
                    loop.add_reader(sock, print)
        datagrams.close()
        stream.close()
        await passes()

    run(factory, main())


def test_the_loop_may_close_while_a_call_waits() -> None:
    loop = tether.Loop()
    here, there = pair()

    async def main() -> None:
        asyncio.create_task(loop.sock_recv(here, 10)).add_done_callback(lambda _: None)
        await passes()

    with here, there:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())
        assert loop.is_closed()
        assert here.fileno() >= 0
