"""Unix stream sockets: stale files, abstract names, clean-up, and sockets that are handed in."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.aio.both_loops import LoopFactory, on_both, passes, run

CLEANS_UP = sys.version_info >= (3, 13)


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def ask(path: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"hello")
    answer = await reader.readexactly(5)
    writer.close()
    await writer.wait_closed()
    return answer


async def over(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()
    await passes()


@on_both
@pytest.mark.parametrize("form", [str, Path])
def test_a_stale_socket_file_is_replaced(factory: LoopFactory, tmp_path: Path, form: Any) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(path))
        stale.close()
        with pytest.raises(ConnectionRefusedError):
            await ask(str(path))
        server = await asyncio.get_running_loop().create_unix_server(Echo, form(path))
        assert server.sockets[0].getsockname() == str(path)
        assert await ask(str(path)) == b"hello"
        await over(server)
        assert path.exists() is not CLEANS_UP

    run(factory, main())


@on_both
def test_another_file_is_left_alone(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        path.write_text("mine")
        with pytest.raises(OSError, match="in use"):
            await asyncio.get_running_loop().create_unix_server(Echo, path)
        assert path.read_text() == "mine"

    run(factory, main())


@on_both
def test_a_file_that_took_its_place_stays(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        server = await asyncio.get_running_loop().create_unix_server(Echo, path)
        path.unlink()
        path.write_text("mine")
        await over(server)
        assert path.read_text() == "mine"
        if CLEANS_UP:
            kept = await asyncio.get_running_loop().create_unix_server(
                Echo,
                tmp_path / "kept",
                cleanup_socket=False,  # type: ignore[call-arg, unused-ignore]
            )
            await over(kept)
            assert (tmp_path / "kept").is_socket()

    run(factory, main())


@on_both
def test_an_abstract_name(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        name = f"\0tether {tmp_path}"
        server = await asyncio.get_running_loop().create_unix_server(Echo, name)
        assert await ask(name) == b"hello"
        await over(server)

    run(factory, main())


@on_both
def test_a_missing_socket_file(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await ask(str(tmp_path / "socket"))

    run(factory, main())


@on_both
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_a_connection_that_was_accepted_elsewhere(
    factory: LoopFactory, tmp_path: Path, family: int
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        address: Any = str(tmp_path / "socket") if family == socket.AF_UNIX else ("127.0.0.1", 0)
        with socket.socket(family) as listening:
            listening.bind(address)
            listening.listen()
            client = socket.socket(family)
            client.connect(listening.getsockname())
            accepted, _ = listening.accept()
        transport, _ = await loop.connect_accepted_socket(Echo, accepted)
        with client:
            client.setblocking(False)
            await loop.sock_sendall(client, b"hello")
            assert await loop.sock_recv(client, 10) == b"hello"
            transport.close()
            assert await loop.sock_recv(client, 10) == b""
        await passes()

    run(factory, main())


@on_both
def test_only_a_unix_stream_socket_is_taken(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            for sock in (tcp, datagrams):
                with pytest.raises(ValueError, match="expected"):
                    await loop.create_unix_connection(asyncio.Protocol, sock=sock)
                with pytest.raises(ValueError, match="expected"):
                    await loop.create_unix_server(asyncio.Protocol, sock=sock)
        with pytest.raises(ValueError, match="no path"):
            await loop.create_unix_connection(asyncio.Protocol)

    run(factory, main())
