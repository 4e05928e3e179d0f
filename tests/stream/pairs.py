"""A stream with a plain socket on its other side, for the tests of this room."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import tether
from tests.plain_sockets import open_socket


@asynccontextmanager
async def stream_and_socket(
    address: str = "127.0.0.1:0", *, receive_buffer: int = 0
) -> AsyncIterator[tuple[tether.Stream, socket.socket]]:
    """An accepted stream, and the client that opened it."""
    accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
    async with tether.listen(address, accepted.set_result) as listener:
        client = open_socket(listener.address, receive_buffer=receive_buffer)
        try:
            yield await accepted, client
        finally:
            client.close()


async def fill(stream: tether.Stream, piece: bytes = b"x" * 8192) -> int:
    """Send until nothing more is taken, passes in between; returns how many bytes were taken."""
    taken = 0
    refused = 0
    while refused < 3:
        if stream.send(piece):
            taken += len(piece)
            refused = 0
        else:
            refused += 1
            await asyncio.sleep(0.002)  # the system may still take some
    return taken
