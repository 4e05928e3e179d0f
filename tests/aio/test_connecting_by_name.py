"""`create_connection` over several addresses: dead, silent and alive; in a row, and racing."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import pytest

from tests.aio.both_loops import LoopFactory, on_both, run


def with_addresses(*addresses: tuple[int, Any]) -> None:
    """What the running loop's lookups answer, as another name server would."""

    async def answer(*args: Any, **kwargs: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", where) for family, where in addresses]

    asyncio.get_running_loop().getaddrinfo = answer  # type: ignore[method-assign]


class Places:
    """A live IPv4 address, a port that refuses on both families, and one that never answers."""

    def __init__(self) -> None:
        self.live = socket.create_server(("127.0.0.1", 0))
        self.refused = socket.socket(socket.AF_INET6)
        self.refused.bind(("::1", 0))
        self.silent = socket.socket(socket.AF_INET6)
        self.silent.bind(("::1", 0))
        self.silent.listen(0)
        self.filling = socket.create_connection(self.silent.getsockname()[:2])

    def close(self) -> None:
        for sock in (self.live, self.refused, self.silent, self.filling):
            sock.close()

    @property
    def four(self) -> tuple[int, Any]:
        return socket.AF_INET, self.live.getsockname()

    @property
    def dead(self) -> tuple[int, Any]:
        return socket.AF_INET6, self.refused.getsockname()

    @property
    def mute(self) -> tuple[int, Any]:
        return socket.AF_INET6, self.silent.getsockname()


@pytest.fixture
def places() -> Any:
    places = Places()
    yield places
    places.close()


async def connect(**how: Any) -> Any:
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, "name.example", 80, **how
    )
    peer = transport.get_extra_info("peername")
    transport.abort()
    await asyncio.sleep(0)
    return peer


@on_both
@pytest.mark.parametrize("how", [{}, {"happy_eyeballs_delay": 0.01}])
def test_the_dead_address_is_passed_over(
    factory: LoopFactory, places: Places, how: dict[str, Any]
) -> None:
    async def main() -> None:
        with_addresses(places.dead, places.four)
        assert await connect(**how) == places.four[1]

    run(factory, main())


@on_both
def test_a_silent_address_is_overtaken(factory: LoopFactory, places: Places) -> None:
    async def main() -> None:
        with_addresses(places.mute, places.mute, places.four)
        assert await connect(happy_eyeballs_delay=0.01) == places.four[1]
        assert await connect(happy_eyeballs_delay=0.01, interleave=2) == places.four[1]

    run(factory, main())


@on_both
@pytest.mark.parametrize("how", [{}, {"happy_eyeballs_delay": 0.01}])
def test_where_all_are_dead_it_says_so(
    factory: LoopFactory, places: Places, how: dict[str, Any]
) -> None:
    async def main() -> None:
        with_addresses(places.dead)
        with pytest.raises(ConnectionRefusedError):
            await connect(**how)
        with_addresses(places.dead, places.dead)
        with pytest.raises(OSError):
            await connect(**how)
        if sys.version_info >= (3, 12):
            with pytest.raises(ExceptionGroup) as caught:
                await connect(all_errors=True, **how)
            assert [type(one) for one in caught.value.exceptions] == [ConnectionRefusedError] * 2

    run(factory, main())


@on_both
def test_a_connect_that_is_cancelled_leaves_nothing(factory: LoopFactory, places: Places) -> None:
    async def main() -> None:
        for how in ({}, {"happy_eyeballs_delay": 0.01}):
            with_addresses(places.mute, places.mute)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connect(**how)

    run(factory, main())


@on_both
def test_from_an_address_of_ones_own(factory: LoopFactory, places: Places) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(
            asyncio.Protocol, *places.four[1], local_addr=("127.0.0.2", 0)
        )
        assert transport.get_extra_info("sockname")[0] == "127.0.0.2"
        transport.abort()
        await asyncio.sleep(0)

    run(factory, main())
