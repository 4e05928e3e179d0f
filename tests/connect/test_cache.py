"""Answers are kept for as long as they are good, and who asks meanwhile shares one question."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

import tether
from tests.connect.name_server import SERVFAIL, Says, name_server
from tests.connect.test_name_servers import addresses, resolver


def test_who_asks_meanwhile_shares_the_question() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2", delay=0.02)
            asking = resolver(server)
            found = await asyncio.gather(*(addresses(asking, "HERE.test") for _ in range(50)))
            assert found == [["127.0.0.2"]] * 50
            assert len(server.asked) == 2

    tether.run(main())


def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2", delay=0.05)
            asking = resolver(server)
            tasks = [asyncio.ensure_future(addresses(asking, "here.test")) for _ in range(3)]
            while not server.asked:
                await asyncio.sleep(0)
            tasks[0].cancel()  # it was the one that began it
            assert await asyncio.gather(*tasks[1:]) == [["127.0.0.2"]] * 2
            assert len(server.asked) == 2

    tether.run(main())


def test_each_who_waits_gets_an_error_of_his_own() -> None:
    async def main() -> None:
        async with name_server() as server:
            asking = resolver(server)
            found = await asyncio.gather(
                *(tether.connect(f"no.test:{n}", resolver=asking) for n in range(1, 6)),
                return_exceptions=True,
            )
            assert [type(one) for one in found] == [tether.ResolveError] * 5
            assert len({id(one) for one in found}) == 5
            assert [getattr(one, "peer", "") for one in found] == [
                f"no.test:{n}" for n in range(1, 6)
            ]
            assert len(server.asked) == 2

    tether.run(main())


def test_answers_are_kept_as_long_as_the_server_says() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2", ttl=0)
            server.knows("long.test", "127.0.0.3", ttl=86_400)
            asking = resolver(server, cache=10, min_ttl=0, max_ttl=0.05)
            for _ in range(3):
                await asking.resolve("here.test")
                await asking.resolve("long.test")
            # No time to live: asked each time. A day: kept, but no longer than max_ttl.
            assert server.asked.count("here.test A") == 3
            assert server.asked.count("long.test A") == 1
            await asyncio.sleep(0.06)
            await asking.resolve("long.test")
            assert server.asked.count("long.test A") == 2

    tether.run(main())


def test_answers_without_a_time_are_kept_for_the_shortest() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2", ttl=0)
            asking = resolver(server, cache=10, min_ttl=30)
            for _ in range(3):
                await asking.resolve("here.test")
            assert len(server.asked) == 2

    tether.run(main())


@pytest.mark.parametrize("says", [Says(code=3), Says(code=SERVFAIL)], ids=["no name", "failure"])
def test_a_failure_is_kept_for_a_short_time(says: Says) -> None:
    async def main() -> None:
        async with name_server() as server:
            server.otherwise = says
            asking = resolver(server, cache=10, negative_ttl=0.05)
            for _ in range(3):
                with pytest.raises(tether.ResolveError):
                    await asking.resolve("here.test")
            assert len(server.asked) == 2
            server.knows("here.test", "127.0.0.2")
            await asyncio.sleep(0.06)
            assert await addresses(asking, "here.test") == ["127.0.0.2"]

    tether.run(main())


def test_an_answer_that_lacks_a_part_is_kept_for_a_short_time() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.answers["half.test A"] = Says(("127.0.0.2",), ttl=300)
            server.answers["half.test AAAA"] = Says(code=SERVFAIL)
            asking = resolver(server, cache=10, negative_ttl=0.05)
            assert await addresses(asking, "half.test") == ["127.0.0.2"]
            server.knows("half.test", "127.0.0.2", "::1")
            await asyncio.sleep(0.06)
            assert await addresses(asking, "half.test") == ["::1", "127.0.0.2"]

    tether.run(main())


def test_it_is_bounded_and_forgets_what_was_not_asked_for_longest() -> None:
    async def main() -> None:
        async with name_server() as server:
            for name in "abc":
                server.knows(f"{name}.test", "127.0.0.2")
            asking = resolver(server, cache=2)
            for name in ("a", "b", "a", "c", "a"):
                await asking.resolve(f"{name}.test")
            assert server.asked.count("a.test A") == 1
            await asking.resolve("b.test")
            assert server.asked.count("b.test A") == 2

    tether.run(main())


def test_it_can_be_switched_off() -> None:
    async def main() -> None:
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2")
            asking = resolver(server, cache=0)
            for _ in range(3):
                await asking.resolve("here.test")
            assert len(server.asked) == 6

    tether.run(main())


def test_each_loop_has_its_own() -> None:
    asking = tether.Resolver()

    async def main() -> None:
        assert await asking.resolve("localhost", 80)

    tether.run(main())
    tether.run(main())


def test_it_keeps_no_loop_alive() -> None:
    asking: list[tether.Resolver] = []

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        async with name_server() as server:
            server.knows("here.test", "127.0.0.2")
            asking.append(resolver(server, cache=10, max_ttl=300, negative_ttl=300))
            asking.append(tether.Resolver(negative_ttl=300, hosts=""))
            await asking[0].resolve("here.test")
            for one, name in zip(asking, ("no.test", "a..b"), strict=True):
                with pytest.raises(tether.ResolveError):
                    await one.resolve(name)
        return weakref.ref(asyncio.get_running_loop())

    loop = tether.run(main())
    gc.collect()
    assert loop() is None


def test_loops_of_several_threads_may_share_a_resolver() -> None:
    asking = tether.Resolver()
    found: list[bool] = []

    async def main() -> None:
        for _ in range(50):
            found.append(bool(await asking.resolve("localhost", 80)))
            with pytest.raises(tether.ResolveError):
                await asking.resolve("a..b")

    threads = [threading.Thread(target=lambda: tether.run(main())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 200
