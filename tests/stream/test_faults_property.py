"""Over a wire as bad as wires can be, bytes come whole and in order, or the failure comes, once."""

from __future__ import annotations

import asyncio
import errno
import random
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

import tether
from tests.certificates import NAME, client_context, server_context
from tests.properties import searching
from tether.stream.faults import inject

SIZES = st.lists(st.sampled_from([0, 1, 7, 1000, 5000, 70_000]), max_size=6)
LAYERS = st.lists(st.sampled_from(["gzip", "none", "limit", "tls"]), max_size=3)


class Wire:
    """What becomes of each read and each write of one side, at random; a reset after some bytes."""

    def __init__(self, seed: int, resets_at: int | None) -> None:
        self.random = random.Random(seed)
        self.left = resets_at

    def __call__(self, what: str, size: int) -> int:
        if self.left is not None and self.left <= 0:
            return -errno.ECONNRESET if what == "read" else -errno.EPIPE
        most = self.random.choice([0, 1, 2, 100, 5000, size])
        if self.left is None:
            return most
        most = min(most, self.left)
        self.left -= most
        return most


async def put_on(layers: list[str], near: tether.Stream, far: tether.Stream) -> None:
    for layer in layers:
        if layer == "tls":
            await asyncio.gather(
                near.start_tls(client_context(), server_hostname=NAME),
                far.start_tls(server_context(), server_side=True),
            )
        for stream in (near, far):
            if layer == "gzip":
                stream.push(tether.filters.Gzip())
            elif layer == "none":
                stream.push(tether.Filter())
            elif layer == "limit":
                stream.limit_writing(tether.RateLimit(1e9, burst=2000))
                stream.limit_reading(tether.RateLimit(1e9, burst=3000))


async def send_all(stream: tether.Stream, sizes: list[int], seed: int) -> tuple[bytes, bool]:
    """What was sent, and whether all of it was taken; closes in the end."""
    randomness, taken = random.Random(seed), bytearray()
    for size in sizes:
        data = randomness.randbytes(size)
        try:
            await stream.send(data)
        except tether.NetworkError:
            return bytes(taken + data), False
        taken += data
    return bytes(taken), True


async def read_all(stream: tether.Stream) -> tuple[bytes, list[BaseException]]:
    """What was received, and how it failed."""
    received, failures = bytearray(), list[BaseException]()
    try:
        while data := await stream.read():
            received += data
    except tether.NetworkError as error:
        failures.append(error)
    return bytes(received), failures


@given(
    seed=st.integers(0, 2**32),
    sizes=SIZES,
    layers=LAYERS,
    resets_at=st.none() | st.integers(0, 100_000),
    sockets=st.booleans(),
)
@searching(80, 1)
def test_bytes_come_whole_and_in_order_or_the_failure_comes_once(
    seed: int, sizes: list[int], layers: list[str], resets_at: int | None, sockets: bool
) -> None:
    async def main() -> None:
        owner = tether.Scope()
        if sockets:
            accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
            listener = owner.own(tether.listen("127.0.0.1:0", accepted.set_result))
            near = await tether.connect(listener.address)
            far = await accepted
        else:
            near, far = tether.pair(owner=owner, capacity=3000)
        ends: list[BaseException | None] = []
        near.on_close(ends.append)
        far.on_close(ends.append)
        inject(near, Wire(seed, resets_at))
        inject(far, Wire(seed + 1, None))
        reading = sending = None
        with suppress(tether.NetworkError):
            await put_on(layers, near, far)
            reading = asyncio.ensure_future(read_all(far))
            sending = asyncio.ensure_future(send_all(near, sizes, seed))
            sent, is_whole = await sending
            near.close()
            received, failures = await reading
            far.close()
            if resets_at is None:
                assert (is_whole, failures) == (True, [])
            if near.error is None and is_whole and not failures:
                assert received == sent
            else:
                assert sent.startswith(received)
                assert len(failures) <= 1
            await near.wait_closed()
        near.abort()
        far.abort()
        await asyncio.gather(near.wait_closed(), far.wait_closed())
        assert len(ends) == 2
        owner.abort()
        await owner.wait_closed()

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main()

    tether.run(bounded())
