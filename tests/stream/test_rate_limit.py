"""A stream with a rate: no more than its tokens passes, all of it does, and nobody polls."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.certificates import NAME, client_context, server_context
from tests.stream.test_filter import Streams, two

__all__ = ["two"]
RATE, BURST, SIZE = 1_000_000, 10_000, 110_000
SOONEST = (SIZE - BURST) / RATE


async def transfer(near: tether.Stream, far: tether.Stream) -> float:
    """Seconds that it takes to send `SIZE` bytes."""
    message = bytes(range(250)) * (SIZE // 250)
    loop = asyncio.get_running_loop()
    began = loop.time()
    sending = near.send(message)
    assert await far.readexactly(SIZE) == message
    await sending
    return loop.time() - began


@pytest.mark.parametrize("way", ["reading", "writing"])
def test_no_more_passes_than_there_are_tokens(two: Streams, way: str) -> None:
    async def main() -> None:
        async with two() as (near, far):
            limit = tether.RateLimit(RATE, burst=BURST)
            if way == "reading":
                far.limit_reading(limit)
            else:
                near.limit_writing(limit)
            assert await transfer(near, far) >= SOONEST
            assert (limit.bytes, limit.waits > 0) == (SIZE, True)
            await transfer(far, near)  # the other direction has no limit
            assert limit.bytes == SIZE

    tether.run(main())


def test_what_counts_is_what_is_on_the_wire(two: Streams) -> None:
    async def main() -> None:
        async with two() as (near, far):
            near.push(tether.filters.Gzip())
            far.push(tether.filters.Gzip())
            limit = near.limit_writing(tether.RateLimit(RATE))
            near.send(bytes(1_000_000))
            await far.readexactly(1_000_000)
            assert limit.bytes == near.bytes_sent < 5000

    tether.run(main())


@pytest.mark.parametrize("when", ["before", "after"])
def test_it_stands_under_tls(two: Streams, when: str) -> None:
    async def main() -> None:
        async with two() as (near, far):
            limits = [tether.RateLimit(RATE, burst=BURST) for _ in range(2)]

            def limit() -> None:
                near.limit_writing(limits[0])
                far.limit_reading(limits[1])

            if when == "before":
                limit()
            await asyncio.gather(
                near.start_tls(client_context(), server_hostname=NAME),
                far.start_tls(server_context(), server_side=True),
            )
            if when == "after":
                limit()
            assert await transfer(near, far) >= SOONEST
            assert all(limit.bytes > SIZE for limit in limits)
            near.close()
            assert await far.read() == b""
            far.close()
            await asyncio.wait_for(near.wait_closed(), 2)
            assert (near.error, far.error) == (None, None)

    tether.run(main())


def test_who_waits_for_tokens_sleeps(poller: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        accepted: asyncio.Future[tether.Stream] = loop.create_future()
        async with (
            tether.listen("127.0.0.1:0", accepted.set_result) as listener,
            await tether.connect(listener.address) as near,
        ):
            far = await accepted
            far.on_data(lambda data: None)
            far.limit_reading(tether.RateLimit(100, burst=100))
            near.limit_writing(tether.RateLimit(100, burst=100))
            near.send(b"x" * 10_000)
            while not far.bytes_received:
                await asyncio.sleep(0)
            before, timers = loop.counts.passes, loop.counts.timers
            await asyncio.sleep(0.1)
            assert loop.counts.passes - before <= 30  # 2 bytes are waited for: 5 times each
            assert far.bytes_received <= 100 + 15
            assert loop.counts.timers - timers <= 20
            near.abort()

    tether.run(main())


def test_it_may_be_changed_and_lifted_while_somebody_waits() -> None:
    async def main() -> None:
        near, far = tether.pair()
        limit = near.limit_writing(tether.RateLimit(0.001, burst=10))
        near.send(b"x" * 50_000)
        assert await far.readexactly(10) == b"x" * 10
        assert limit.waits == 1
        limit.rate = 1e9
        assert limit.rate == 1e9
        await far.readexactly(9990)
        limit.rate = 0.001
        limit.burst = 5
        near.limit_writing(None)
        await asyncio.wait_for(far.readexactly(40_000), 2)
        assert 10_000 <= limit.bytes <= 50_000
        near.close()
        far.close()

    tether.run(main())


def test_a_limit_serves_one_stream_at_a_time() -> None:
    async def main() -> None:
        near, far = tether.pair()
        limit = near.limit_writing(tether.RateLimit(RATE))
        assert near.limit_writing(limit) is limit
        with pytest.raises(RuntimeError, match="RateLimitGroup"):
            far.limit_writing(limit)
        with pytest.raises(RuntimeError, match="RateLimitGroup"):
            near.limit_reading(limit)
        near.abort()
        await near.wait_closed()
        far.limit_writing(limit)
        with pytest.raises(tether.Closed):
            near.limit_reading(None)
        far.abort()

    tether.run(main())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_it_ends_with_its_stream(how: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        timers = loop.counts.pending_timers
        near, far = tether.pair()
        near.limit_writing(tether.RateLimit(0.001, burst=1000))
        far.limit_reading(tether.RateLimit(0.001, burst=10))
        near.send(b"x" * (1000 if how == "close" else 5000))
        assert await far.readexactly(10) == b"x" * 10
        waiting = asyncio.ensure_future(far.read())
        await asyncio.sleep(0)
        getattr(near, how)()
        await near.wait_closed()
        far.abort()
        with pytest.raises(tether.Closed):
            await waiting
        assert loop.counts.pending_timers == timers

    tether.run(main())


def test_a_paused_stream_keeps_its_tokens() -> None:
    async def main() -> None:
        near, far = tether.pair()
        received: list[bytes] = []
        far.on_data(received.append)
        far.pause()
        limit = far.limit_reading(tether.RateLimit(RATE, burst=BURST))
        near.send(b"x" * 100)
        for _ in range(5):
            await asyncio.sleep(0)
        assert (limit.bytes, limit.waits) == (0, 0)
        far.resume_reading()
        while not received:
            await asyncio.sleep(0)
        assert limit.bytes == 100
        near.close()
        far.close()

    tether.run(main())


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"rate": -1}, {"rate": 1, "burst": 0.5}])
def test_what_makes_no_limit(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above 0|1 byte or more"):
        tether.RateLimit(**wrong)  # type: ignore[arg-type]
