"""A listener that pauses: who comes waits in the backlog, and nobody is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

import tether
from tests.plain_sockets import open_socket


def test_who_comes_in_a_pause_is_served_after_it(poller: str) -> None:
    async def main() -> None:
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen("127.0.0.1:0", streams.put_nowait) as listener:
            listener.pause()
            assert listener.paused
            assert "paused" in listener.describe()
            clients = [open_socket(listener.address) for _ in range(5)]
            before = time.process_time()
            await asyncio.sleep(0.2)
            assert time.process_time() - before < 0.1
            assert streams.empty()
            listener.pause()  # once more is no more
            listener.resume()
            assert not listener.paused
            peers = {(await asyncio.wait_for(streams.get(), 5)).peer for _ in clients}
            assert peers == {"{}:{}".format(*client.getsockname()) for client in clients}
            for client in clients:
                client.close()

    tether.run(main())


def test_a_pause_inside_the_callback_holds_at_once() -> None:
    async def main() -> None:
        streams: list[tether.Stream] = []

        def accept(stream: tether.Stream) -> None:
            streams.append(stream)
            listener.pause()

        async with tether.listen("127.0.0.1:0", accept) as listener:
            clients = [open_socket(listener.address) for _ in range(4)]
            for number in range(1, 5):
                while len(streams) < number:
                    await asyncio.sleep(0)
                for _ in range(5):
                    await asyncio.sleep(0)
                assert len(streams) == number
                listener.resume()
            for client in clients:
                client.close()

    tether.run(main())


def test_all_addresses_pause() -> None:
    async def main() -> None:
        streams: asyncio.Queue[tether.Stream] = asyncio.Queue()
        async with tether.listen("localhost:0", streams.put_nowait) as listener:
            listener.pause()
            clients = [open_socket(address) for address in listener.addresses]
            for _ in range(5):
                await asyncio.sleep(0.001)
            assert streams.empty()
            listener.resume()
            for _ in clients:
                await asyncio.wait_for(streams.get(), 5)
            for client in clients:
                client.close()

    tether.run(main())


def test_a_paused_listener_that_closes_refuses_who_waited() -> None:
    async def main() -> None:
        listener = tether.listen("127.0.0.1:0", lambda stream: None)
        listener.pause()
        client = open_socket(listener.address)
        listener.close()
        await listener.wait_closed()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        client.close()
        for method in (listener.pause, listener.resume):
            with pytest.raises(tether.Closed):
                method()

    tether.run(main())
