"""The memory of a pair is bounded: by the marks on both sides and by its own capacity."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.stream.pairs import fill


@pytest.mark.parametrize("capacity", [1, 1000, 65_536])
def test_what_nobody_reads_is_bounded(capacity: int) -> None:
    async def main() -> None:
        near, far = tether.pair(
            capacity=capacity, write_high=10_000, write_low=2000, read_high=5000
        )
        taken = await fill(near, b"x" * 500)
        assert near.buffered < 10_000 + 500
        assert taken - near.buffered <= capacity + 5000
        assert far.bytes_received <= 5000
        near.close()
        received = 0
        while data := await far.read():
            assert len(data) <= 5000
            received += len(data)
        assert received == taken
        far.close()

    tether.run(main())


def test_awaiting_waits_for_the_low_mark() -> None:
    async def main() -> None:
        near, far = tether.pair(write_high=8192, write_low=1000)
        taken = await fill(near, b"x" * 1024)
        marks: list[int] = []
        sending = asyncio.ensure_future(near.send(b"the end"))
        sending.add_done_callback(lambda _: marks.append(near.buffered))
        received = b""
        while not received.endswith(b"the end"):
            received += await far.read()
        assert len(received) == taken + 7
        await sending
        await asyncio.sleep(0)
        assert marks[0] <= 1000 + 7
        near.close()
        far.close()

    tether.run(main())


def test_on_drain_tells_when_to_go_on() -> None:
    async def main() -> None:
        near, far = tether.pair()
        left, told, received = 3_000_000, 0, 0

        def go_on() -> None:
            nonlocal left
            while left and near.send(b"z" * 10_000):
                left -= 10_000
            if not left:
                near.close()

        @near.on_drain
        def drained() -> None:
            nonlocal told
            told += 1
            go_on()

        go_on()
        while data := await far.read():
            received += len(data)
        assert (received, told > 10) == (3_000_000, True)
        far.close()

    tether.run(main())


def test_a_paused_one_is_sent_no_more_than_there_is_room_for() -> None:
    async def main() -> None:
        near, far = tether.pair(capacity=1000)
        far.on_data(lambda data: None)
        far.pause()
        near.send(b"x" * 5000)
        for _ in range(5):
            await asyncio.sleep(0)
        assert (far.bytes_received, near.buffered) == (0, 4000)
        far.resume_reading()
        while near.buffered:
            await asyncio.sleep(0)
        near.close()
        far.close()

    tether.run(main())


def test_a_flood_leaves_the_timers_their_turn() -> None:
    async def main() -> None:
        near, far = tether.pair()
        far.on_data(far.send)
        near.on_data(near.send)
        near.send(b"round and round")
        ticks = asyncio.Queue[None]()
        tether.Scope().every(0.001, ticks.put_nowait, None)
        for _ in range(5):
            await ticks.get()
        near.abort()
        far.abort()

    tether.run(main())
