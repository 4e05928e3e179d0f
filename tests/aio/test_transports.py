"""asyncio's servers, connections and streams run on the loop."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

import tether


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Collect(asyncio.Protocol):
    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.got = bytearray()
        self.complete = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.got += data
        if len(self.got) >= self.expected and not self.complete.done():
            self.complete.set_result(bytes(self.got))

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def test_create_server_and_create_connection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        payload = bytes(range(256)) * 4000
        transport, protocol = await loop.create_connection(
            lambda: Collect(len(payload)), "127.0.0.1", port_of(server)
        )
        transport.write(payload)
        assert await asyncio.wait_for(protocol.complete, 10) == payload
        transport.close()
        assert await protocol.lost is None
        server.close()
        await server.wait_closed()

    tether.run(main())


def test_asyncio_streams() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        readers = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", port_of(server)) for _ in range(20))
        )
        for number, (reader, writer) in enumerate(readers):
            writer.write(b"line %d\n" % number)
            assert await reader.readline() == b"LINE %d\n" % number
        for reader, writer in readers:
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()

    tether.run(main())


def test_unix_servers(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        path = str(tmp_path / "socket")
        server = await loop.create_unix_server(Echo, path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    tether.run(main())


def test_datagrams() -> None:
    class Collector(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.got: asyncio.Queue[bytes] = asyncio.Queue()

        def datagram_received(self, data: bytes, address: object) -> None:
            self.got.put_nowait(data)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        receiving, collector = await loop.create_datagram_endpoint(
            Collector, local_addr=("127.0.0.1", 0)
        )
        sending, _ = await loop.create_datagram_endpoint(
            Collector, remote_addr=receiving.get_extra_info("sockname")
        )
        sending.sendto(b"hello")
        assert await asyncio.wait_for(collector.got.get(), 5) == b"hello"
        sending.close()
        receiving.close()
        await asyncio.sleep(0)

    tether.run(main())


def test_sock_calls() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
            listening.setblocking(False)
            client.setblocking(False)
            accepting = asyncio.create_task(loop.sock_accept(listening))
            await loop.sock_connect(client, listening.getsockname())
            accepted, _ = await accepting
            payload = bytes(1_000_000)
            sending = asyncio.create_task(loop.sock_sendall(client, payload))
            got = 0
            while got < len(payload):
                got += len(await loop.sock_recv(accepted, 65536))
            await sending
            accepted.close()

    tether.run(main())


def test_sock_calls_on_a_transports_descriptor_are_refused() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(
            lambda: Collect(1), "127.0.0.1", port_of(server)
        )
        with socket.socket(fileno=transport.get_extra_info("socket").fileno()) as same:
            with pytest.raises(RuntimeError, match="is used by transport"):
                await loop.sock_recv(same, 1)
            same.detach()
        transport.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)

    tether.run(main())


def test_a_refused_connection_raises_asyncios_own_error() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Echo, "127.0.0.1", port)

    tether.run(main())


def test_backpressure_of_a_transport() -> None:
    async def main() -> None:
        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go_on.wait()
            while await reader.read(1_000_000):
                pass
            writer.close()
            await writer.wait_closed()
            ended.set()

        go_on, ended = asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(bytes(20_000_000))
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0.01)
        assert not draining.done()
        go_on.set()
        await asyncio.wait_for(draining, 10)
        writer.close()
        await writer.wait_closed()
        await ended.wait()
        server.close()
        await server.wait_closed()

    tether.run(main())


def test_nothing_arrives_before_the_connection_was_returned() -> None:
    events: list[object] = []

    class Reader(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            events.append(data)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        here, there = socket.socketpair()
        with there:
            there.send(b"welcome")
            transport, _ = await loop.create_connection(Reader, sock=here)
            events.append("connected")
            while len(events) < 2:
                await asyncio.sleep(0)
            transport.close()

    tether.run(main())
    assert events == ["connected", b"welcome"]


def test_who_drains_after_each_write_hears_that_the_peer_left() -> None:
    async def main() -> None:
        here, there = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=here)
        there.close()
        with pytest.raises(ConnectionError):
            while True:  # `drain` waits only where the transport says that it closes
                writer.write(b"x" * 1000)
                await writer.drain()
        writer.close()

    tether.run(main())
