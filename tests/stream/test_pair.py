"""Two streams connected in memory: they are streams, and no system call is made for them."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.watch import open_descriptors


def test_what_one_sends_the_other_receives() -> None:
    async def main() -> None:
        near, far = tether.pair()
        async with near, far:
            assert near.send(b"to far")
            assert far.send(b"to near")
            assert await far.read() == b"to far"
            assert await near.read() == b"to near"
            assert (near.bytes_sent, near.bytes_received) == (6, 7)

    tether.run(main())


def test_it_has_no_descriptor() -> None:
    async def main() -> None:
        before = open_descriptors()
        near, far = tether.pair()
        near.send(b"hello")
        assert await far.read() == b"hello"
        assert open_descriptors() == before
        assert (near.fileno(), far.fileno()) == (-1, -1)
        assert (near.peer, far.peer) == ("pair", "pair")
        assert "pair in=0 out=5 waiting=0" in near.tree()
        near.close()
        far.close()

    tether.run(main())


def test_nothing_is_delivered_from_inside_of_send() -> None:
    async def main() -> None:
        near, far = tether.pair()
        steps: list[str] = []
        done = asyncio.Event()

        def answer(data: bytes) -> None:
            steps.append(f"far has {data!r}")
            far.send(b"pong")
            steps.append("far has sent")

        def hear(data: bytes) -> None:
            steps.append(f"near has {data!r}")
            done.set()

        far.on_data(answer)
        near.on_data(hear)
        near.send(b"ping")
        steps.append("near has sent")
        await done.wait()
        assert steps == ["near has sent", "far has b'ping'", "far has sent", "near has b'pong'"]
        near.close()
        far.close()

    tether.run(main())


def test_writes_of_one_pass_come_together() -> None:
    async def main() -> None:
        near, far = tether.pair()
        for number in range(100):
            near.send(b"%d," % number)
        assert await far.read() == b"".join(b"%d," % number for number in range(100))
        near.close()
        far.close()

    tether.run(main())


@pytest.mark.parametrize("size", [1, 2047, 2048, 65_536, 65_537, 3_000_000])
def test_a_message_of_any_size_arrives_whole(size: int) -> None:
    async def main() -> None:
        near, far = tether.pair()
        message = (bytes(range(256)) * (size // 256 + 1))[:size]
        assert near.send(message)
        assert await far.readexactly(size) == message
        near.close()
        far.close()

    tether.run(main())


def test_both_end_with_their_owner() -> None:
    async def main() -> None:
        owner = tether.Scope(name="owner")
        near, far = tether.pair(owner=owner)
        near.send(b"flushed")
        assert owner.tree().count("pair in=") == 2
        owner.close()
        await owner.wait_closed()
        assert (near.state, far.state) == ("closed", "closed")
        with pytest.raises(tether.Closed):
            tether.pair(owner=owner)

    tether.run(main())


def test_a_callback_that_raises_closes_its_own_stream_only() -> None:
    async def main() -> None:
        near, far = tether.pair()
        failures: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))

        @far.on_data
        def fail(data: bytes) -> None:
            raise ValueError(data)

        near.send(b"why")
        assert await near.read() == b""
        assert isinstance(far.error, ValueError)
        assert [type(one["exception"]) for one in failures] == [ValueError]
        assert near.state == "open"
        near.close()

    tether.run(main())


@pytest.mark.parametrize(
    "marks", [{"write_high": 1}, {"read_high": 0}, {"capacity": 0}, {"write_low": -1}]
)
def test_marks_that_make_no_sense_are_refused(marks: dict[str, int]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"mark|room|0 or more"):
            tether.pair(**marks)  # type: ignore[arg-type]
        assert asyncio.get_running_loop().scope.tree().count("pair") == 0  # type: ignore[attr-defined]

    tether.run(main())


def test_an_idle_pair_wakes_nobody() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        near, far = tether.pair()
        near.send(b"once")
        assert await far.read() == b"once"
        for _ in range(3):
            await asyncio.sleep(0)
        before = loop.counts.passes
        await asyncio.sleep(0.05)
        assert loop.counts.passes - before <= 3
        near.close()
        far.close()

    tether.run(main())
