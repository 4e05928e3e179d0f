"""Where a connection comes from can be chosen; what cannot be had is this machine's own failure."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.connect.name_server import name_server
from tests.connect.test_failures import closed_port
from tests.connect.test_name_servers import resolver


@pytest.mark.parametrize(
    ("listening", "local"),
    [
        ("127.0.0.1:0", "127.0.0.9"),
        ("127.0.0.1:0", "127.0.0.9:0"),
        ("[::1]:0", "::1"),
        ("[::1]:0", "[::1]:0"),
    ],
)
def test_the_peer_sees_it(listening: str, local: str) -> None:
    async def main() -> None:
        seen: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
        async with tether.listen(listening, seen.set_result) as listener:
            stream = await tether.connect(listener.address, local_address=local)
            assert (await seen).peer.rpartition(":")[0].strip("[]") == (
                local.removesuffix(":0").strip("[]")
            )
            stream.close()

    tether.run(main())


def test_a_port_can_be_chosen_too() -> None:
    async def main() -> None:
        seen: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
        with closed_port() as local:
            pass
        async with tether.listen("127.0.0.1:0", seen.set_result) as listener:
            stream = await tether.connect(listener.address, local_address=local)
            assert (await seen).peer == local
            stream.close()

    tether.run(main())


def test_only_addresses_of_its_family_are_tried() -> None:
    async def main() -> None:
        async with (
            name_server() as server,
            tether.listen("127.0.0.1:0", lambda one: None) as listener,
        ):
            server.knows("both.test", "::1", "127.0.0.1")
            server.knows("six.test", "::1")
            port = listener.address.rpartition(":")[2]
            asking = resolver(server)
            stream = await tether.connect(
                f"both.test:{port}", local_address="127.0.0.2", resolver=asking
            )
            assert (stream.peer, stream.attempts) == (listener.address, ())
            stream.close()
            with pytest.raises(tether.LocalError, match="of the family of the local address"):
                await tether.connect(f"six.test:{port}", local_address="127.0.0.2", resolver=asking)

    tether.run(main())


def test_an_address_of_another_machine() -> None:
    async def main() -> None:
        with closed_port() as address, pytest.raises(tether.LocalError) as caught:
            await tether.connect(address, local_address="192.0.2.1")
        assert (caught.value.errno, caught.value.phase) == (99, "connect")
        assert "local address 192.0.2.1:0" in str(caught.value)

    tether.run(main())


def test_a_port_that_is_taken() -> None:
    async def main() -> None:
        with closed_port() as taken, closed_port() as address:
            connecting = tether.connect(address, local_address=taken)
            with pytest.raises(tether.LocalError) as caught:
                await connecting
        assert caught.value.errno == 98

    tether.run(main())


def test_a_socket_that_meets_itself_is_not_connected() -> None:
    async def main() -> None:
        with closed_port() as address:
            pass
        for _ in range(3):
            with pytest.raises(tether.ConnectionRefused) as caught:
                await tether.connect(address, local_address=address)
            assert caught.value.errno == 111

    tether.run(main())


def test_what_is_no_address_is_refused() -> None:
    async def main() -> None:
        for local in ("localhost", "name.test:80", "", "unix:/x", "127.0.0.1:x"):
            with pytest.raises(ValueError, match=r"."):
                await tether.connect("127.0.0.1:1", local_address=local)
        with pytest.raises(ValueError, match="Unix"):
            await tether.connect("unix:/nowhere", local_address="127.0.0.1")

    tether.run(main())
