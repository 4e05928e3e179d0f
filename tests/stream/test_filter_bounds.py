"""Memory stays bounded and no byte is stranded, however much a filter makes of little (case 7)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator

import pytest

import tether
from tests.stream.pairs import fill
from tests.stream.test_filter import Streams, two

__all__ = ["two"]
PIECE = 1000


class Inflating(tether.Filter):
    """Each byte becomes a thousand."""

    def __init__(self) -> None:
        self.made = 0

    def encode(self, data: bytes) -> Iterator[bytes]:
        for byte in data:
            self.made += PIECE
            yield bytes([byte]) * PIECE

    decode = encode


def test_what_comes_is_inflated_as_it_is_taken(two: Streams) -> None:
    async def main() -> None:
        async with two() as (near, far):
            inflating = far.push(Inflating())
            near.send(bytes(range(256)) * 20)
            near.close()
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert far.bytes_received <= 65_536
            assert inflating.made <= 65_536 + PIECE
            received = b""
            while data := await far.read():
                received += data
                assert inflating.made - len(received) <= 2 * 65_536 + PIECE
            assert received == b"".join(bytes([number]) * PIECE for number in range(256)) * 20

    tether.run(main())


def test_what_is_sent_is_inflated_as_it_leaves(two: Streams) -> None:
    async def main() -> None:
        async with two() as (near, far):
            inflating = near.push(Inflating())
            assert near.send(b"x" * 60_000)
            for _ in range(50):
                await asyncio.sleep(0.001)
            # What waits counts as it was sent, and as much as is encoded already.
            assert near.buffered <= 65_536 + 65_536 + PIECE
            assert inflating.made - near.bytes_sent <= 65_536 + PIECE
            assert not near.send(b"at the mark") or near.buffered < 65_536
            near.close()
            received = 0
            while data := await far.read():
                received += len(data)
            assert received % PIECE == 0
            assert received >= 60_000 * PIECE

    tether.run(main())


def test_a_peer_that_never_reads_bounds_the_sender(two: Streams) -> None:
    async def main() -> None:
        async with two() as (near, _far):
            near.push(tether.filters.Gzip(level=0))
            await fill(near)
            assert near.buffered < 65_536 + 8192 + 65_536 + 1000
            near.abort()

    tether.run(main())


@pytest.mark.parametrize("read_high", [1, 10, 1000])
def test_nothing_is_stranded_below_a_mark(read_high: int) -> None:
    async def main() -> None:
        near, far = tether.pair(read_high=read_high)
        near.push(tether.filters.Gzip())
        far.push(tether.filters.Gzip())
        message = b"0123456789" * 300
        near.send(message)
        received = b""
        while len(received) < len(message):
            data = await asyncio.wait_for(far.read(), 2)
            assert len(data) <= read_high
            received += data
        assert received == message
        near.close()
        far.close()

    tether.run(main())


def test_a_bomb_waits_on_the_wire_or_ends_at_the_limit() -> None:
    async def main() -> None:
        bomb = zlib.compress(bytes(50_000_000), 9)
        near, far = tether.pair()
        far.push(tether.filters.Gzip(window=15))
        near.send(bomb)
        assert await far.read(100) == bytes(100)
        assert far.bytes_received <= 2 * 65_536
        far.abort()

        near, far = tether.pair()
        far.push(tether.filters.Gzip(window=15, limit=1_000_000))
        near.send(bomb)
        received = 0
        with pytest.raises(tether.ProtocolError, match="more than 1000000"):
            while data := await far.read():
                received += len(data)
        assert 0 < received <= 1_000_000

    tether.run(main())
