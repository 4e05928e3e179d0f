"""A buffered protocol receives into its own memory, as on asyncio's own loop."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.aio.recorder import Run
from tests.watch import Reports


class Buffered(asyncio.BufferedProtocol):
    def __init__(self, size: int) -> None:
        self.memory = bytearray(size)
        self.received = bytearray()
        self.lost: asyncio.Future[BaseException | None]
        self.lost = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.memory[:nbytes]

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.set_result(error)


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_buffered_protocol_gets_all_bytes_in_its_own_memory(run: Run, size: int) -> None:
    async def main() -> None:
        protocol = Buffered(size)
        payload = bytes(range(256)) * (4 if size == 1 else 4_000)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: protocol, sock=ours)
        with theirs:
            await loop.sock_sendall(theirs, payload)
        assert await protocol.lost is None
        assert protocol.received == payload

    run(main)


def test_a_buffered_protocol_without_room_loses_its_connection(run: Run, reports: Reports) -> None:
    async def main() -> None:
        protocol = Buffered(0)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: protocol, sock=ours)
        with theirs:
            theirs.send(b"x")
            error = await protocol.lost
        assert isinstance(error, RuntimeError)

    run(main)
    (told,) = reports.take()
    assert "get_buffer() call failed" in told
