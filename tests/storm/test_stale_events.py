"""An event that was polled for a descriptor which is closed and open again reaches nobody.

Descriptors are not identities: the number is the same, the object behind it is another.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import tether
from tether.stream.connecting import Connecting

pytestmark = pytest.mark.usefixtures("poller")

PATIENCE = 10.0
"""Seconds after which a test gives up."""

SILENCE = 0.2
"""Seconds in which a false report would long have come."""


@pytest.fixture
def silent_address() -> Iterator[tuple[str, int]]:
    """An address that does not answer: its backlog is full."""
    with ExitStack() as exits:
        listening = exits.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            client = exits.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield listening.getsockname()


def test_an_accept_event_does_not_connect_whoever_got_the_number(
    silent_address: tuple[str, int],
) -> None:
    attempts: list[Connecting] = []

    async def main() -> None:
        came = asyncio.Event()

        def on_stream(stream: tether.Stream) -> None:
            # The other listener's event is polled already, and comes after this one.
            number = other.fileno()
            other.close()
            attempts.append(Connecting(socket.AF_INET, silent_address))
            assert os.fstat(number), "the attempt did not get the listener's number"
            came.set()

        listener = tether.listen("127.0.0.1:0", on_stream)
        other = tether.listen("127.0.0.1:0", came_too_late)
        # Both connections come in one pass, in this order.
        with connect(listener.address), connect(other.address):
            await came.wait()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SILENCE):
                    await attempts[0].done()
        attempts[0].close()

    tether.run(main())
    assert len(attempts) == 1


def came_too_late(stream: tether.Stream) -> None:
    pytest.fail("a closed listener accepted")


def connect(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)))


def test_a_reader_of_a_closed_socket_does_not_keep_its_number_from_a_connection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen("127.0.0.1:0", streams.put_nowait) as listener:
            with socket.socket() as client:
                client.setblocking(False)
                pair = socket.socketpair()
                numbers = [one.fileno() for one in pair]
                for one in pair:
                    loop.add_reader(one, pytest.fail, "nobody writes to it")
                for one in pair:
                    one.close()  # its reader is forgotten, against asyncio's rule
                host, port = listener.address.split(":")
                client.connect_ex((host, int(port)))
                async with asyncio.timeout(PATIENCE):
                    stream = await streams.get()
                    assert stream.fileno() in numbers
                    await stream.send(b"to the client")
                    assert await loop.sock_recv(client, 100) == b"to the client"
                    await loop.sock_sendall(client, b"to the stream")
                    assert await stream.read() == b"to the stream"

    tether.run(main())
