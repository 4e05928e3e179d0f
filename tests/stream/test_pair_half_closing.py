"""One side of a pair sends the end of file and goes on reading, with layers and without."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.certificates import NAME, client_context, server_context


async def put_on(layer: str, near: tether.Stream, far: tether.Stream) -> None:
    if layer in ("tls", "gzip over tls"):
        await asyncio.gather(
            near.start_tls(client_context(), server_hostname=NAME),
            far.start_tls(server_context(), server_side=True),
        )
    for stream in (near, far):
        if layer.startswith("gzip"):
            stream.push(tether.filters.Gzip())
        elif layer == "limit":
            stream.limit_writing(tether.RateLimit(1e8))
            stream.limit_reading(tether.RateLimit(1e8))


@pytest.mark.parametrize("layer", ["none", "gzip", "tls", "gzip over tls", "limit"])
def test_the_other_direction_goes_on(layer: str) -> None:
    async def main() -> None:
        near, far = tether.pair()
        await put_on(layer, near, far)
        near.send(b"q" * 200_000)
        near.send_eof()
        question = b""
        while data := await far.read():
            question += data
        assert question == b"q" * 200_000
        for _ in range(3):
            await far.send(b"a" * 50_000)
            assert await near.readexactly(50_000) == b"a" * 50_000
        far.close()
        assert await near.read() == b""
        near.close()
        await asyncio.wait_for(asyncio.gather(near.wait_closed(), far.wait_closed()), 2)
        assert (near.error, far.error) == (None, None)

    tether.run(main())


def test_who_does_not_read_hears_of_it_all_the_same() -> None:
    async def main() -> None:
        near, far = tether.pair()
        told = asyncio.Event()
        far.on_peer_closed(told.set)
        far.pause()
        near.send(b"x" * 1000)
        near.send_eof()
        await asyncio.wait_for(told.wait(), 2)
        assert far.is_peer_closed
        assert not near.is_peer_closed
        near.abort()
        far.abort()

    tether.run(main())


def test_a_filter_may_send_eof_itself() -> None:
    async def main() -> None:
        near, far = tether.pair()

        class Once(tether.Filter):
            def encode(self, data: bytes) -> bytes:
                if near.state != "open":
                    return b""
                near.send_eof()
                return data

        near.push(Once())
        near.send(b"only this")
        assert await far.readexactly(9) == b"only this"
        assert await far.read() == b""
        near.close()
        far.close()

    tether.run(main())
