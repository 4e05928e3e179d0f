"""Name servers, asked by the loop itself: each thing that they can say or do is told apart."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.connect.name_server import REFUSED, SERVFAIL, NameServer, Says, name_server


def resolver(*servers: NameServer, **more: Any) -> tether.DNSResolver:
    """That asks these servers and nobody else, keeps nothing, and knows no file."""
    settings: dict[str, Any] = {
        "search": [],
        "ndots": 1,
        "server_timeout": 0.25,
        "attempts": 1,
        "cache": 0,
        "hosts": "",
    }
    return tether.DNSResolver([one.address for one in servers], **(settings | more))


async def addresses(asking: tether.Resolver, name: str) -> list[str]:
    return [where[0] for _, where in await asking.resolve(name, 80)]


def test_both_families_are_asked_at_once_and_ipv6_comes_first() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("both.test", "127.0.0.2", "127.0.0.3", "::1")
            assert await addresses(resolver(server), "both.test") == [
                "::1",
                "127.0.0.2",
                "127.0.0.3",
            ]
            assert sorted(server.asked) == ["both.test A", "both.test AAAA"]

    tether.run(main())


def test_a_family_without_a_way_comes_last() -> None:
    async def main() -> None:
        async with name_server() as server:
            # Documentation's prefix in a zone of no interface: no machine has a route.
            server.knows("both.test", "ff1f::1", "127.0.0.2")
            found = await addresses(resolver(server), "both.test")
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
                has_way = probe.connect_ex(("ff1f::1", 9)) == 0
            assert found == (["ff1f::1", "127.0.0.2"] if has_way else ["127.0.0.2", "ff1f::1"])

    tether.run(main())


@pytest.mark.parametrize(
    ("says", "kind", "number", "text"),
    [
        (
            Says(code=3),
            tether.ResolveError,
            socket.EAI_NONAME,
            "no such name (name server {} answered NXDOMAIN)",
        ),
        (
            Says(),
            tether.ResolveError,
            socket.EAI_NODATA,
            "no address of that name (name server {} has no address)",
        ),
        (
            Says(code=SERVFAIL),
            tether.ResolveError,
            socket.EAI_AGAIN,
            "the name server failed (name server {} answered SERVFAIL)",
        ),
        (
            Says(code=REFUSED),
            tether.ResolveError,
            socket.EAI_AGAIN,
            "the name server will not (name server {} answered REFUSED)",
        ),
        (Says(is_silent=True), tether.ResolveTimeout, None, "name server {} did not answer"),
    ],
    ids=["no such name", "no address", "server failure", "refused", "silent"],
)
def test_what_a_server_says_is_told_apart(
    says: Says, kind: type[tether.NetworkError], number: int | None, text: str
) -> None:
    async def main() -> None:
        async with name_server() as server:
            server.otherwise = says
            with pytest.raises(kind) as caught:
                await tether.connect("somewhere.test:80", resolver=resolver(server))
            error = caught.value
            assert type(error) is kind
            assert (error.phase, error.peer) == ("resolve", "somewhere.test:80")
            assert error.errno == number
            assert error.reason == text.format(server.address)
            assert [one.address for one in error.attempts] == [server.address]
            assert isinstance(error.attempts[0].error, kind)
            assert error.elapsed is not None
            assert (error.elapsed >= 0.25) == says.is_silent

    tether.run(main())


def test_no_server_there() -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            address = "{}:{}".format(*free.getsockname())
        asking = tether.DNSResolver([address], search=[], attempts=1, hosts="")
        with pytest.raises(tether.ResolveError, match=f"name server {address} cannot be reached"):
            await asking.resolve("somewhere.test")

    tether.run(main())


def test_the_deadline_of_a_connect_names_the_silent_server() -> None:
    async def main() -> None:
        async with name_server() as failing, name_server() as silent:
            failing.otherwise = Says(code=SERVFAIL)
            silent.otherwise = Says(is_silent=True)
            began = time.monotonic()
            with pytest.raises(tether.ResolveTimeout) as caught:
                await tether.connect(
                    "somewhere.test:80",
                    resolver=resolver(failing, silent, server_timeout=10),
                    resolve_timeout=0.1,
                )
            assert 0.1 <= time.monotonic() - began < 1.1
            assert caught.value.reason == (
                f"name server {failing.address} answered SERVFAIL, {silent.address} did not answer"
            )

    tether.run(main())


def test_a_machine_without_descriptors_is_not_the_servers_fault() -> None:
    async def main() -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2")
            asking = resolver(server)
            free = os.open("/dev/null", os.O_RDONLY)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            try:
                with pytest.raises(tether.LocalError) as caught:
                    await tether.connect("here.test:80", resolver=asking)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert (caught.value.errno, caught.value.phase) == (24, "resolve")

    tether.run(main())


@pytest.mark.parametrize("first", [Says(code=SERVFAIL), Says(is_silent=True), Says(code=REFUSED)])
def test_the_next_server_is_asked(first: Says) -> None:
    async def main() -> None:
        async with name_server() as bad, name_server() as good:
            bad.otherwise = first
            good.knows("here.test", "127.0.0.2")
            asking = resolver(bad, good)
            assert await addresses(asking, "here.test") == ["127.0.0.2"]
            # What the second one knows not to be there is not there.
            with pytest.raises(tether.ResolveError, match="NXDOMAIN") as caught:
                await asking.resolve("nowhere.test")
            assert caught.value.errno == socket.EAI_NONAME
            assert [one.address for one in caught.value.attempts] == [bad.address, good.address]

    tether.run(main())


def test_a_server_that_knows_of_no_such_name_is_the_last_to_be_asked() -> None:
    async def main() -> None:
        async with name_server() as first, name_server() as second:
            with pytest.raises(tether.ResolveError, match="no such name"):
                await resolver(first, second, attempts=3).resolve("nowhere.test")
            assert (len(first.asked), second.asked) == (2, [])

    tether.run(main())


def test_a_silent_server_is_asked_again() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.otherwise = Says(is_silent=True)
            with pytest.raises(tether.ResolveTimeout):
                await resolver(server, attempts=2).resolve("here.test")
            assert sorted(server.asked) == ["here.test A"] * 2 + ["here.test AAAA"] * 2

    tether.run(main())


@pytest.mark.parametrize(
    ("name", "ndots", "asked"),
    [
        ("short", 1, ["short.a.test", "short.b.test", "short"]),
        ("with.dot", 1, ["with.dot", "with.dot.a.test", "with.dot.b.test"]),
        ("with.dot", 2, ["with.dot.a.test", "with.dot.b.test", "with.dot"]),
        ("whole.", 1, ["whole"]),
    ],
)
def test_search_domains(name: str, ndots: int, asked: list[str]) -> None:
    async def main() -> None:
        async with name_server() as server:
            asking = resolver(server, search=["a.test", "b.test"], ndots=ndots)
            with pytest.raises(tether.ResolveError):
                await asking.resolve(name)
            assert list(dict.fromkeys(one.split()[0] for one in server.asked)) == asked
            server.knows(asked[-1], "127.0.0.9")
            assert await addresses(asking, name) == ["127.0.0.9"]

    tether.run(main())


def test_a_failing_server_does_not_change_what_a_short_name_means() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.answers["short.a.test A"] = server.answers["short.a.test AAAA"] = Says(
                code=SERVFAIL
            )
            server.knows("short", "127.0.0.9")
            with pytest.raises(tether.ResolveError, match="SERVFAIL"):
                await resolver(server, search=["a.test"]).resolve("short")

    tether.run(main())


def test_an_answer_that_is_too_long_for_a_datagram_is_fetched_over_tcp() -> None:
    async def main() -> None:
        async with name_server() as server:
            many = [f"127.0.{n}.{m}" for n in range(8) for m in range(1, 51)]
            server.knows("many.test", *many, is_truncated=True)
            assert await addresses(resolver(server, server_timeout=2), "many.test") == many

    tether.run(main())


def test_names_beyond_ascii_are_asked_in_ascii() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("xn--mnchen-3ya.test", "127.0.0.9")
            assert await addresses(resolver(server), "MÜNCHEN.test") == ["127.0.0.9"]

    tether.run(main())


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", "ü" * 64 + ".test"])
def test_what_can_be_no_name_is_not_asked(name: str) -> None:
    async def main() -> None:
        async with name_server() as server:
            with pytest.raises(tether.ResolveError, match="not a name"):
                await resolver(server).resolve(name)
            assert server.asked == []

    tether.run(main())


def test_one_family_answers_and_the_other_fails() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.answers["half.test A"] = Says(("127.0.0.2",))
            server.answers["half.test AAAA"] = Says(code=SERVFAIL)
            assert await addresses(resolver(server), "half.test") == ["127.0.0.2"]

    tether.run(main())


def test_the_settings_are_those_of_resolv_conf(tmp_path: Path) -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("short.a.test", "127.0.0.2")
            file = tmp_path / "resolv.conf"
            file.write_text(
                "nameserver 192.0.2.1\nsearch a.test\noptions ndots:2 timeout:1 attempts:1\n"
            )
            given = tether.DNSResolver([server.address], resolv_conf=str(file), hosts="")
            assert await addresses(given, "short") == ["127.0.0.2"]
            read = tether.DNSResolver(resolv_conf=str(file)).settings()
            assert (read.servers, read.ndots, read.timeout, read.attempts) == (
                ("192.0.2.1:53",),
                2,
                1,
                1,
            )

    tether.run(main())


def test_it_takes_no_thread_of_ours_and_leaves_nothing() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2")
            asking = resolver(server)
            before = loop.scope.tree().count("\n")  # type: ignore[attr-defined]
            for _ in range(20):
                assert await addresses(asking, "here.test") == ["127.0.0.2"]
            assert not [one for one in threading.enumerate() if one.name.startswith("tether")]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert loop.scope.tree().count("\n") == before  # type: ignore[attr-defined]

    tether.run(main())


def test_a_lookup_can_be_cancelled_at_any_pass() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with name_server() as server:
            server.otherwise = Says(is_silent=True)
            before = loop.scope.tree().count("\n")  # type: ignore[attr-defined]
            for passes in range(20):
                silent = resolver(server, server_timeout=30)
                asking = asyncio.ensure_future(silent.resolve("here.test"))
                for _ in range(passes):
                    await asyncio.sleep(0)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                for _ in range(6):
                    await asyncio.sleep(0)
                assert loop.scope.tree().count("\n") == before  # type: ignore[attr-defined]
            assert server.asked

    tether.run(main())


def test_the_program_may_end_in_the_middle_of_a_lookup() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.otherwise = Says(is_silent=True)
            asking = asyncio.ensure_future(resolver(server, server_timeout=30).resolve("here.test"))
            while not server.asked:
                await asyncio.sleep(0)
            asyncio.get_running_loop().scope.close()  # type: ignore[attr-defined]
            with pytest.raises(tether.Closed):
                await asking

    tether.run(main())


def test_settings_that_cannot_be() -> None:
    cases: list[dict[str, Any]] = [
        {"servers": ["name.test"]},
        {"servers": ["127.0.0.1:x"]},
        {"servers": ["127.0.0.1:0"]},
        {"servers": []},
        {"attempts": 0},
        {"server_timeout": 0.2},
        {"cache": -1},
        {"min_ttl": 5, "max_ttl": 1},
    ]
    for settings in cases:
        with pytest.raises(ValueError, match=r"."):
            tether.DNSResolver(**settings)
