"""How a pair ends: what was sent arrives first, then the end of file, or the reset, once."""

from __future__ import annotations

import asyncio
import errno
import gc
import weakref

import pytest

import tether
from tests.stream.pairs import fill


def test_a_close_is_the_end_of_file_after_all_that_was_sent() -> None:
    async def main() -> None:
        near, far = tether.pair()
        near.send(b"x" * 200_000)  # more than lies between them
        near.close()
        received = b""
        while data := await far.read():
            received += data
        assert received == b"x" * 200_000
        await near.wait_closed()
        assert near.error is None
        assert far.state == "open"
        far.close()

    tether.run(main())


def test_an_abort_is_a_reset_after_what_came_before() -> None:
    async def main() -> None:
        near, far = tether.pair()
        near.send(b"half of a")
        await asyncio.sleep(0)
        near.abort()
        assert await far.readexactly(9) == b"half of a"
        with pytest.raises(tether.ConnectionClosed) as caught:
            await far.read()
        assert (caught.value.errno, caught.value.peer) == (errno.ECONNRESET, "pair")
        assert isinstance(far.error, tether.ConnectionClosed)
        with pytest.raises(tether.Closed):
            await far.read()

    tether.run(main())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_who_waits_to_send_hears_that_the_other_has_gone(how: str) -> None:
    async def main() -> None:
        near, far = tether.pair()
        await fill(near)
        sending = [asyncio.ensure_future(near.send(b"never")) for _ in range(3)]
        await asyncio.sleep(0)
        getattr(far, how)()
        results = await asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), 5)
        assert [type(one) for one in results] == [tether.ConnectionClosed] * 3
        expected = errno.EPIPE if how == "close" else errno.ECONNRESET
        assert [one.errno for one in results if isinstance(one, OSError)] == [expected] * 3

    tether.run(main())


def test_sending_to_one_that_was_closed_fails_after_its_last_words() -> None:
    async def main() -> None:
        near, far = tether.pair()
        far.send(b"good bye")
        far.close()
        await far.wait_closed()
        assert near.send(b"too late")
        assert await near.readexactly(8) == b"good bye"
        await near.wait_closed()
        assert isinstance(near.error, tether.ConnectionClosed)
        assert (near.error.phase, near.error.errno) == ("send", errno.EPIPE)

    tether.run(main())


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("who", ["near", "far", "both"])
def test_it_may_end_inside_of_any_callback(how: str, who: str) -> None:
    async def main() -> None:
        near, far = tether.pair()
        heard: list[bytes] = []

        def end() -> None:
            for stream in (near, far):
                if who == "both" or stream is (near if who == "near" else far):
                    getattr(stream, how)()

        @far.on_data
        def first(data: bytes) -> None:
            assert far.state == "open"
            heard.append(data)
            end()
            assert not far.send(b"late") or far.state == "open"

        near.send(b"x" * 300_000)
        await asyncio.wait_for(near.wait_closed() if who != "far" else far.wait_closed(), 5)
        if who != "near":
            assert len(heard) == 1
        near.abort()
        far.abort()

    tether.run(main())


def test_a_pair_that_is_closed_is_no_garbage() -> None:
    async def main() -> None:
        near, far = tether.pair()
        near.send(b"x")
        await far.read()
        gone = [weakref.ref(near), weakref.ref(far)]
        near.close()
        far.close()
        await far.wait_closed()
        await near.wait_closed()
        gc.disable()
        try:
            del near, far
            await asyncio.sleep(0)
            assert [one() for one in gone] == [None, None]
        finally:
            gc.enable()

    tether.run(main())


def test_both_abort_at_once() -> None:
    async def main() -> None:
        near, far = tether.pair()
        ends: list[object] = []
        near.on_close(ends.append)
        far.on_close(ends.append)
        await fill(near)
        await fill(far)
        near.abort()
        far.abort()
        await asyncio.gather(near.wait_closed(), far.wait_closed())
        assert ends == [None, None]

    tether.run(main())
