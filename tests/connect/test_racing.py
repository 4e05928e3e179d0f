"""Addresses race as RFC 8305 says, also those that come late from a name server."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

import tether
from tests.connect.name_server import NameServer, Says, name_server
from tests.connect.test_failures import black_hole
from tests.connect.test_name_servers import resolver


async def connected(server: NameServer, port: int | str) -> tuple[tether.Stream, float]:
    """The stream to "here.test", and how long it took."""
    began = time.monotonic()
    stream = await tether.connect(f"here.test:{port}", resolver=resolver(server, server_timeout=20))
    return stream, time.monotonic() - began


def port_of(listener: tether.Listener) -> str:
    return listener.address.rpartition(":")[2]


def free_of(port: int | str) -> None:
    """Nobody listens on this port of ::1 (the test's other end is 127.0.0.x)."""
    with socket.socket(socket.AF_INET6) as probe:
        assert probe.connect_ex(("::1", int(port))) != 0


def test_ipv4_waits_a_moment_for_the_answer_about_ipv6() -> None:
    async def main() -> None:
        async with name_server() as server, tether.listen("[::1]:0", lambda one: None) as listener:
            server.answers["here.test A"] = Says(("127.0.0.1",))
            server.answers["here.test AAAA"] = Says(("::1",), delay=0.005)
            stream, _ = await connected(server, port_of(listener))
            assert stream.peer == listener.address
            assert stream.attempts == ()  # IPv4 was not even tried
            stream.close()

    tether.run(main())


def test_but_no_longer_than_that() -> None:
    async def main() -> None:
        async with (
            name_server() as server,
            tether.listen("127.0.0.1:0", lambda one: None) as listener,
        ):
            server.answers["here.test A"] = Says(("127.0.0.1",))
            server.answers["here.test AAAA"] = Says(is_silent=True)
            stream, took = await connected(server, port_of(listener))
            assert stream.peer == listener.address
            assert 0.05 <= took < 1.05
            stream.close()

    tether.run(main())


def test_ipv6_waits_for_nobody() -> None:
    async def main() -> None:
        async with name_server() as server, tether.listen("[::1]:0", lambda one: None) as listener:
            server.answers["here.test A"] = Says(is_silent=True)
            server.answers["here.test AAAA"] = Says(("::1",))
            stream, took = await connected(server, port_of(listener))
            assert stream.peer == listener.address
            assert took < 1
            stream.close()

    tether.run(main())


def test_an_address_that_comes_late_is_tried_as_well() -> None:
    async def main() -> None:
        async with (
            name_server() as server,
            tether.listen("127.0.0.1:0", lambda one: None) as listener,
        ):
            free_of(port_of(listener))
            server.answers["here.test AAAA"] = Says(("::1",))
            server.answers["here.test A"] = Says(("127.0.0.1",), delay=0.1)
            stream, took = await connected(server, port_of(listener))
            assert stream.peer == listener.address
            assert [one.address for one in stream.attempts] == ["::1"]
            assert 0.1 <= took < 1.1
            stream.close()

    tether.run(main())


def test_after_a_failure_the_next_one_begins_at_once() -> None:
    async def main() -> None:
        async with (
            name_server() as server,
            tether.listen("127.0.0.1:0", lambda one: None) as listener,
        ):
            server.knows("here.test", *(f"127.0.0.{n}" for n in range(9, 1, -1)), "127.0.0.1")
            stream, took = await connected(server, port_of(listener))
            assert stream.peer == listener.address
            assert len(stream.attempts) == 8
            assert took < 1  # and not 8 times a quarter of a second
            stream.close()

    tether.run(main())


def test_a_silent_one_is_passed_over_and_the_families_take_turns() -> None:
    async def main() -> None:
        with black_hole() as hole:
            port = hole.rpartition(":")[2]
            async with name_server() as server:
                free_of(port)
                server.knows("here.test", "127.0.0.1", "127.0.0.3", "::1")
                with pytest.raises(tether.NetworkError) as caught:
                    await tether.connect(
                        f"here.test:{port}", resolver=resolver(server), connect_timeout=0.3
                    )
            assert [one.address for one in caught.value.attempts] == [
                "::1",
                "127.0.0.1",
                "127.0.0.3",
            ]
            assert [type(one.error) for one in caught.value.attempts] == [
                tether.ConnectionRefused,
                tether.ConnectTimeout,
                tether.ConnectionRefused,
            ]
            assert type(caught.value) is tether.ConnectTimeout
            assert caught.value.address == "127.0.0.1"

    tether.run(main())


def test_the_losers_are_closed() -> None:
    async def main() -> None:
        with black_hole() as hole:
            port = hole.rpartition(":")[2]
            async with (
                name_server() as server,
                tether.Scope(name="owner") as owner,
                tether.listen(f"127.0.0.2:{port}", lambda one: None),
            ):
                server.knows("here.test", "127.0.0.1", "127.0.0.2")
                stream = await tether.connect(
                    f"here.test:{port}", resolver=resolver(server), owner=owner
                )
                assert stream.peer == f"127.0.0.2:{port}"
                for _ in range(4):
                    await asyncio.sleep(0)
                assert len(owner.tree().splitlines()) == 2

    tether.run(main())
