"""Many streams share a rate: all of them together keep to it, and none of them starves."""

from __future__ import annotations

import asyncio

import pytest

import tether

RATE, BURST = 2_000_000, 20_000


class Crowd:
    """Pairs whose senders never rest, read through one group."""

    def __init__(self, group: tether.RateLimitGroup, number: int) -> None:
        self.group = group
        self.got = [0] * number
        self.limits = [tether.RateLimit(group=group) for _ in range(number)]
        self.streams: list[tether.Stream] = []
        for index, limit in enumerate(self.limits):
            near, far = tether.pair()
            self.streams += [near, far]
            far.on_data(lambda data, index=index: self.count(index, len(data)))
            far.limit_reading(limit)
            near.spawn(self.send(near))

    def count(self, index: int, size: int) -> None:
        self.got[index] += size

    async def send(self, near: tether.Stream) -> None:
        while True:
            await near.send(b"x" * 8192)

    async def end(self) -> None:
        for stream in self.streams:
            stream.abort()
        for stream in self.streams:
            await stream.wait_closed()


def test_together_they_keep_to_the_rate_and_each_has_its_share() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        group = tether.RateLimitGroup(RATE, burst=BURST)
        began = loop.time()
        crowd = Crowd(group, 20)
        while group.bytes < 400_000:
            await asyncio.sleep(0.005)
        assert group.bytes <= BURST + RATE * (loop.time() - began)
        assert sum(limit.bytes for limit in crowd.limits) == group.bytes
        # The first one may have had the whole burst; from then on it is in turn.
        assert min(crowd.got) >= 0.5 * (group.bytes - BURST) / 20
        assert (group.size, group.waits > 20) == (20, True)
        await crowd.end()
        assert group.size == 0

    tether.run(main())


def test_nobody_starves_where_a_share_is_more_than_there_is_for_each() -> None:
    async def main() -> None:
        group = tether.RateLimitGroup(1_000_000, burst=1000, min_share=1000)
        crowd = Crowd(group, 50)
        async with asyncio.timeout(5):
            while min(crowd.got) < 3000:
                await asyncio.sleep(0.005)
        assert max(crowd.got) <= min(crowd.got) + 3 * 1000
        await crowd.end()

    tether.run(main())


def test_what_one_has_no_use_for_is_for_the_others() -> None:
    async def main() -> None:
        group = tether.RateLimitGroup(RATE, burst=BURST)
        crowd = Crowd(group, 1)
        idle = [tether.pair() for _ in range(50)]
        for _, far in idle:
            far.on_data(lambda data: None)
            far.limit_reading(tether.RateLimit(group=group))
        loop = asyncio.get_running_loop()
        began, before = loop.time(), group.bytes
        while group.bytes < 200_000:
            await asyncio.sleep(0.005)
        assert crowd.got[0] == group.bytes
        assert group.bytes - before <= BURST + RATE * (loop.time() - began)
        await crowd.end()
        for near, far in idle:
            near.abort()
            far.abort()

    tether.run(main())


def test_each_may_have_a_rate_of_its_own_too() -> None:
    async def main() -> None:
        group = tether.RateLimitGroup(RATE)
        near, far = tether.pair()
        limit = near.limit_writing(tether.RateLimit(100_000, burst=1000, group=group))
        loop = asyncio.get_running_loop()
        began = loop.time()
        near.send(b"x" * 11_000)
        await far.readexactly(11_000)
        assert loop.time() - began >= 0.1
        assert (limit.group, limit.bytes, group.bytes) == (group, 11_000, 11_000)
        assert group.waits == 0
        near.close()
        far.close()

    tether.run(main())


def test_it_may_be_changed_while_they_wait() -> None:
    async def main() -> None:
        group = tether.RateLimitGroup(0.001, burst=100)
        crowd = Crowd(group, 5)
        while group.waits < 5:
            await asyncio.sleep(0)
        assert group.bytes == 100
        group.rate = 1e9
        group.burst = 1e6
        async with asyncio.timeout(5):
            while min(crowd.got) < 100_000:
                await asyncio.sleep(0)
        group.min_share = 10
        assert (group.rate, group.burst, group.min_share) == (1e9, 1e6, 10)
        await crowd.end()

    tether.run(main())


def test_one_that_ends_in_the_queue_leaves_it() -> None:
    async def main() -> None:
        group = tether.RateLimitGroup(20_000, burst=100)
        crowd = Crowd(group, 5)
        while group.waits < 5:
            await asyncio.sleep(0)
        for index in (0, 2, 4):
            crowd.streams[2 * index + 1].abort()
        async with asyncio.timeout(5):
            while min(crowd.got[1], crowd.got[3]) < 300:
                await asyncio.sleep(0.001)
        assert group.size == 2
        await crowd.end()

    tether.run(main())


def test_what_makes_no_group() -> None:
    with pytest.raises(ValueError, match="above 0"):
        tether.RateLimitGroup(0)
    with pytest.raises(ValueError, match="share"):
        tether.RateLimitGroup(1, min_share=0)
