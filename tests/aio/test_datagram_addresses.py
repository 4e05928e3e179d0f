"""Datagram endpoints give addresses as the socket module writes them, and take them in any form."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.aio.both_loops import Datagrams, LoopFactory, on_both, passes, run

Endpoint = tuple[asyncio.DatagramTransport, Datagrams]


async def endpoint(**how: Any) -> Endpoint:
    return await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, **how)


async def over(*endpoints: Endpoint) -> None:
    for transport, protocol in endpoints:
        transport.close()
        assert await protocol.over is None


@on_both
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_there_and_back(factory: LoopFactory, host: str) -> None:
    async def main() -> None:
        server = await endpoint(local_addr=(host, 0))
        client = await endpoint(remote_addr=server[0].get_extra_info("sockname")[:2])
        for number in range(3):
            client[0].sendto(b"to %d" % number)
            data, address = await server[1].got.get()
            assert data == b"to %d" % number
            assert address == client[0].get_extra_info("sockname")
            server[0].sendto(b"back %d" % number, address)
            data, address = await client[1].got.get()
            assert data == b"back %d" % number
            assert address == server[0].get_extra_info("sockname")
        assert client[0].get_extra_info("peername") == server[0].get_extra_info("sockname")
        assert server[0].get_extra_info("peername") is None
        assert server[0].get_extra_info("nothing", 7) == 7
        await over(client, server)

    run(factory, main())


@on_both
def test_many_peers_are_told_apart(factory: LoopFactory) -> None:
    async def main() -> None:
        server = await endpoint(local_addr=("127.0.0.1", 0))
        where = server[0].get_extra_info("sockname")
        clients = [await endpoint(remote_addr=where) for _ in range(20)]
        for turn in range(3):
            for number, client in enumerate(clients):
                client[0].sendto(b"%d %d" % (turn, number))
        for _ in range(60):
            data, address = await server[1].got.get()
            number = int(data.split()[1])
            assert address == clients[number][0].get_extra_info("sockname")
            server[0].sendto(data, (str(address[0]), address[1]))
        for number, client in enumerate(clients):
            for turn in range(3):
                assert (await client[1].got.get())[0] == b"%d %d" % (turn, number)
        await over(server, *clients)

    run(factory, main())


@on_both
@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "127.1"),
        ("::1", "::1"),
        ("::1", "0:0:0:0:0:0:0:1"),
    ],
)
def test_a_host_may_be_written_in_other_ways(factory: LoopFactory, host: str, name: str) -> None:
    async def main() -> None:
        server = await endpoint(local_addr=(host, 0))
        client = await endpoint(local_addr=(host, 0))
        client[0].sendto(b"hello", (name, server[0].get_extra_info("sockname")[1]))
        assert (await server[1].got.get())[0] == b"hello"
        await over(client, server)

    run(factory, main())


@on_both
def test_flow_and_scope_of_an_ip_version_6_address(factory: LoopFactory) -> None:
    async def main() -> None:
        server = await endpoint(local_addr=("::1", 0))
        client = await endpoint(local_addr=("::1", 0))
        port = server[0].get_extra_info("sockname")[1]
        for address in (("::1", port, 0), ("::1", port, 0, 0), ("::1", port, 5, 0)):
            client[0].sendto(b"hello", address)
            assert await server[1].got.get() == (b"hello", client[0].get_extra_info("sockname"))
        await over(client, server)

    run(factory, main())


@on_both
def test_unix_sockets_by_path(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        here, there = str(tmp_path / "here"), str(tmp_path / "there ä")
        server = await endpoint(local_addr=here, family=socket.AF_UNIX)
        client = await endpoint(local_addr=there, family=socket.AF_UNIX)
        for name in (here, here.encode(), here):
            client[0].sendto(b"hello", name)
            assert await server[1].got.get() == (b"hello", there)
        server[0].sendto(b"back", there)
        assert await client[1].got.get() == (b"back", here)
        await over(client, server)

    run(factory, main())


@on_both
def test_abstract_and_unnamed_unix_sockets(factory: LoopFactory) -> None:
    async def main() -> None:
        server_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server_socket.bind(b"")  # the system chooses an abstract name
        name = server_socket.getsockname()
        assert isinstance(name, bytes) and name.startswith(b"\0")
        server = await endpoint(sock=server_socket)
        named = await endpoint(
            local_addr=f"\0tether {name[1:].decode()}", family=socket.AF_UNIX, remote_addr=None
        )
        unnamed = await endpoint(sock=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        named[0].sendto(b"named", name)
        assert await server[1].got.get() == (b"named", b"\0tether " + name[1:])
        server[0].sendto(b"back", b"\0tether " + name[1:])
        assert await named[1].got.get() == (b"back", name)
        unnamed[0].sendto(b"unnamed", name)
        assert await server[1].got.get() == (b"unnamed", None)
        await over(server, named, unnamed)

    run(factory, main())


@on_both
def test_a_stale_unix_socket_file_is_replaced(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        stale = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        stale.bind(path)
        stale.close()
        server = await endpoint(local_addr=path, family=socket.AF_UNIX)
        client = await endpoint(remote_addr=path, family=socket.AF_UNIX)
        client[0].sendto(b"hello")
        assert (await server[1].got.get())[0] == b"hello"
        await over(client, server)

    run(factory, main())


@on_both
def test_a_socket_of_another_family(factory: LoopFactory) -> None:
    # Its addresses are known to the socket module only.
    if not hasattr(socket, "AF_NETLINK"):
        pytest.skip("no AF_NETLINK here")

    async def main() -> None:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
        sock.bind((0, 0))
        one = await endpoint(sock=sock)
        # NLMSG_NOOP is not answered, but with NLM_F_ACK it is acknowledged.
        request = (16).to_bytes(4, "little") + b"\x01\x00\x05\x00" + b"\x07\0\0\0" + b"\0\0\0\0"
        one[0].sendto(request, (0, 0))
        data, address = await one[1].got.get()
        assert address == (0, 0)
        assert data[8:12] == b"\x07\0\0\0"
        await over(one)

    run(factory, main())


@on_both
def test_a_largest_and_an_empty_datagram_arrive_whole(factory: LoopFactory) -> None:
    async def main() -> None:
        server = await endpoint(local_addr=("127.0.0.1", 0))
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            sender.connect(server[0].get_extra_info("sockname"))
            for payload in (b"", bytes(65507), b"x"):
                sender.send(payload)
                assert await server[1].got.get() == (payload, sender.getsockname())
        await over(server)
        await passes()

    run(factory, main())
