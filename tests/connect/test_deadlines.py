"""Each phase has a deadline, and one covers them all; none fires early, nothing outlives it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import tether
from tests.connect.name_server import Says, name_server
from tests.connect.test_failures import black_hole
from tests.connect.test_name_servers import resolver


async def timed_out(address: str, **settings: Any) -> tether.NetworkError:
    began = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        await tether.connect(address, **settings)
    took = time.monotonic() - began
    assert 0.1 <= took < 1.1
    error = caught.value
    assert isinstance(error, tether.NetworkError)
    assert error.elapsed is not None
    assert 0.1 <= error.elapsed <= took
    return error


@pytest.mark.parametrize("which", ["timeout", "resolve_timeout"])
def test_of_the_name(which: str) -> None:
    async def main() -> None:
        async with name_server() as server:
            server.otherwise = Says(is_silent=True)
            asking = resolver(server, server_timeout=20)
            error = await timed_out("here.test:80", resolver=asking, **{which: 0.1})
            assert (type(error), error.phase) == (tether.ResolveTimeout, "resolve")

    tether.run(main())


@pytest.mark.parametrize("which", ["timeout", "connect_timeout"])
def test_of_the_connection(which: str) -> None:
    async def main() -> None:
        with black_hole() as address:
            error = await timed_out(address, **{which: 0.1})
            assert (type(error), error.phase) == (tether.ConnectTimeout, "connect")

    tether.run(main())


@pytest.mark.parametrize("which", ["timeout", "tunnel_timeout"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_of_the_tunnel(which: str, scheme: str) -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", lambda stream: None) as proxy:
            error = await timed_out(
                "here.test:80", proxy=f"{scheme}://{proxy.address}", **{which: 0.1}
            )
            assert (type(error), error.phase) == (tether.ConnectTimeout, "tunnel")
            assert (error.peer, error.address) == ("here.test:80", proxy.address)
            assert "the proxy did not answer" in str(error)

    tether.run(main())


def test_those_of_other_phases_are_no_concern() -> None:
    async def main() -> None:
        with black_hole() as address:
            error = await timed_out(
                address, resolve_timeout=0, connect_timeout=0.1, tls_timeout=0, timeout=None
            )
            assert error.phase == "connect"

    tether.run(main())


def test_the_total_covers_the_name_and_the_connection() -> None:
    async def main() -> None:
        with black_hole() as hole:
            async with name_server() as server:
                server.knows("here.test", "127.0.0.1", delay=0.07)
                port = hole.rpartition(":")[2]
                error = await timed_out(f"here.test:{port}", resolver=resolver(server), timeout=0.1)
                assert (error.phase, error.address) == ("connect", "127.0.0.1")

    tether.run(main())


def test_a_deadline_of_the_caller_is_the_callers() -> None:
    async def main() -> None:
        with black_hole() as address:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.05):
                    await tether.connect(address)
            assert not isinstance(caught.value, tether.NetworkError)

    tether.run(main())


def test_no_negative_times() -> None:
    async def main() -> None:
        for name in ("timeout", "resolve_timeout", "connect_timeout", "tls_timeout"):
            for value in (-1, float("nan")):
                settings: dict[str, Any] = {name: value}
                with pytest.raises(ValueError, match="timeout"):
                    await tether.connect("127.0.0.1:1", **settings)

    tether.run(main())
