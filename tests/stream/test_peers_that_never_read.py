"""Peers that never read: what waits for each stays under its mark plus one message."""

from __future__ import annotations

import asyncio
import resource
import socket

import psutil
import pytest

import tether
from tests.plain_sockets import open_socket
from tests.watch import KEEPS_FREED_MEMORY
from tether.stream.channel import WRITE_HIGH

PEERS = 1000
MESSAGE = 1000


@pytest.fixture
def enough_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4 * PEERS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * PEERS, hard), hard))


def test_a_thousand_at_once(enough_descriptors: None) -> None:
    async def main() -> None:
        # `select` has no room for the descriptors of more, which are both sides' here.
        most = asyncio.get_running_loop().poller.max_fd  # type: ignore[attr-defined]
        peers = PEERS if most < 0 else min(PEERS, most // 3)
        streams: list[tether.Stream] = []
        refused = asyncio.Event()

        def flood(stream: tether.Stream) -> None:
            # The system shall hold little: the test is about what the stream holds.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            streams.append(stream)
            while stream.send(bytes(MESSAGE)):
                pass
            if len(streams) == peers:
                refused.set()

        process = psutil.Process()
        async with tether.listen("127.0.0.1:0", flood) as listener:
            clients = [open_socket(listener.address, receive_buffer=4096)]
            while not streams:
                await asyncio.sleep(0)
            before = process.memory_info().rss
            clients += [
                await tether.to_thread(open_socket, listener.address, receive_buffer=4096)
                for _ in range(peers - 1)
            ]
            await asyncio.wait_for(refused.wait(), 20)
            # They go on where the system takes some, until none does.
            moving = True
            while moving:
                sent = sum(stream.bytes_sent for stream in streams)
                for stream in streams:
                    while stream.send(bytes(MESSAGE)):
                        pass
                await asyncio.sleep(0.05)  # for the system to take what it may
                moving = sum(stream.bytes_sent for stream in streams) != sent
            waiting = [stream.buffered for stream in streams]
            assert len(waiting) == peers
            assert min(waiting) >= WRITE_HIGH
            assert max(waiting) < WRITE_HIGH + MESSAGE
            grown = (process.memory_info().rss - before) / (peers - 1)
            for client in clients:
                client.close()
            # What waits lies in blocks, and the sockets of both sides have objects in Python.
            # The address sanitizer keeps freed memory: there it says nothing.
            assert KEEPS_FREED_MEMORY or grown < WRITE_HIGH + MESSAGE + 16 * 1024

    tether.run(main())
