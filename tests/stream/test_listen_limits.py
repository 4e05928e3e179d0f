"""How many connections a listener lets in: of all, and of one address."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

import tether
from tests.plain_sockets import open_socket, reset
from tests.watch import Reports


def from_address(own: str, address: str) -> socket.socket:
    """A connection that comes from `own`."""
    host, port = address.rsplit(":", 1)
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    client = socket.socket(family)
    client.settimeout(10)
    client.bind((own, 0))
    client.connect((host.strip("[]"), int(port)))
    return client


def was_reset(client: socket.socket) -> bool:
    try:
        client.recv(1)
    except ConnectionResetError:
        return True
    finally:
        client.close()
    return False


class Streams:
    """What a listener accepted, as it comes."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tether.Stream] = asyncio.Queue()
        self.all: list[tether.Stream] = []

    def __call__(self, stream: tether.Stream) -> None:
        self.all.append(stream)
        self.queue.put_nowait(stream)

    async def take(self, number: int) -> list[tether.Stream]:
        return [await asyncio.wait_for(self.queue.get(), 5) for _ in range(number)]


@pytest.mark.parametrize("leaving", ["closed here", "end of file", "reset"])
def test_at_the_limit_of_all_the_others_wait_until_one_leaves(
    leaving: str, reports: Reports, poller: str
) -> None:
    async def main() -> None:
        streams = Streams()

        def accept(stream: tether.Stream) -> None:
            stream.on_data(lambda data: None)
            streams(stream)

        async with tether.listen("127.0.0.1:0", accept, max_connections=3) as listener:
            clients = [open_socket(listener.address) for _ in range(8)]
            for served in range(3, 8):
                if served == 3:
                    inside = await streams.take(3)
                # One at a time: nobody came beyond the limit.
                assert streams.queue.empty()
                assert (listener.open_count, listener.accepted_count) == (3, served)
                assert "full" in listener.describe().split()
                leaver = inside.pop(0)
                client = next(
                    one for one in clients if "{}:{}".format(*one.getsockname()) == leaver.peer
                )
                clients.remove(client)
                if leaving == "closed here":
                    leaver.close()
                elif leaving == "reset":
                    reset(client)
                else:
                    client.shutdown(socket.SHUT_WR)
                inside += await streams.take(1)
                client.close()
            assert listener.refused_count == 0
            assert {stream.state for stream in inside} == {"open"}
            for client in clients:
                client.close()

    tether.run(main())
    # Said once, though it was full five times.
    assert reports.take() == ["listener 127.0.0.1:0: 3 connections are open, the others wait"]


def test_it_costs_nothing_to_be_full(reports: Reports) -> None:
    async def main() -> None:
        streams = Streams()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        async with tether.listen("127.0.0.1:0", streams, max_connections=1) as listener:
            clients = [open_socket(listener.address) for _ in range(5)]
            await streams.take(1)
            before = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - before < 0.15
            for client in clients:
                client.close()

    tether.run(main())
    reports.take()


def test_a_stream_that_another_scope_took_still_counts(reports: Reports) -> None:
    async def main() -> None:
        streams = Streams()
        async with tether.listen("127.0.0.1:0", streams, max_connections=1) as listener:
            clients = [open_socket(listener.address) for _ in range(2)]
            [stream] = await streams.take(1)
            keeper = tether.Scope(name="keeper")
            keeper.own(stream)
            await asyncio.sleep(0.01)
            assert streams.queue.empty()
            assert listener.open_count == 1
            keeper.close()
            await streams.take(1)
            for client in clients:
                client.close()

    tether.run(main())
    reports.take()


def test_beyond_the_limit_of_an_address_it_is_reset_and_logged_once(
    reports: Reports,
) -> None:
    async def main() -> None:
        streams = Streams()
        async with tether.listen("127.0.0.1:0", streams, max_per_address=2) as listener:
            clients = [open_socket(listener.address) for _ in range(2)]
            inside = await streams.take(2)
            for number in range(1, 6):
                assert await tether.to_thread(was_reset, open_socket(listener.address))
                assert listener.refused_count == number
            # Another address is not concerned.
            clients.append(from_address("127.0.0.2", listener.address))
            await streams.take(1)
            # And there is room again when one leaves.
            inside[0].close()
            await inside[0].wait_closed()
            clients.append(open_socket(listener.address))
            await streams.take(1)
            assert (listener.open_count, listener.accepted_count) == (3, 4)
            assert "refused=5" in listener.describe()
            for client in clients:
                client.close()

    tether.run(main())
    assert reports.take() == [
        "listener 127.0.0.1:0: refused 127.0.0.1, which has 2 connections already",
        "listener 127.0.0.1:0: refused 5 connections of 1 address(es) that had 2 already",
    ]


def test_both_limits_together(reports: Reports) -> None:
    async def main() -> None:
        streams = Streams()
        async with tether.listen(
            "127.0.0.1:0", streams, max_connections=3, max_per_address=2
        ) as listener:
            first = [open_socket(listener.address) for _ in range(2)]
            await streams.take(2)
            assert await tether.to_thread(was_reset, open_socket(listener.address))
            others = [from_address("127.0.0.2", listener.address)]
            await streams.take(1)
            # Full now: who would be refused waits too, since nobody is accepted.
            waiting = open_socket(listener.address)
            assert listener.refused_count == 1
            others.append(from_address("127.0.0.3", listener.address))
            streams.all[2].close()
            [stream] = await streams.take(1)
            assert stream.peer.startswith("127.0.0.3:")
            assert await tether.to_thread(was_reset, waiting)
            for client in [*first, *others]:
                client.close()

    tether.run(main())
    assert len(reports.take()) >= 3


def test_a_family_is_no_way_round_the_limit(reports: Reports) -> None:
    async def main() -> None:
        streams = Streams()
        async with tether.listen(["[::1]:0", "[::]:0"], streams, max_per_address=1) as listener:
            only_v6, both = listener.addresses
            port = both.rpartition(":")[2]
            clients = [open_socket(only_v6)]
            await streams.take(1)
            assert await tether.to_thread(was_reset, open_socket(f"[::1]:{port}"))
            # An IPv4 client of the same socket is counted as one.
            clients += [from_address(f"127.0.0.{n}", f"127.0.0.1:{port}") for n in (1, 2)]
            await streams.take(2)
            assert await tether.to_thread(was_reset, open_socket(f"127.0.0.1:{port}"))
            for client in clients:
                client.close()

    tether.run(main())
    assert "[::1]" in reports.take()[0]


def test_unix_sockets_have_no_address_to_count(tmp_path: Path) -> None:
    async def main() -> None:
        streams = Streams()
        async with tether.listen(f"unix:{tmp_path}/s", streams, max_per_address=1) as listener:
            clients = [open_socket(listener.address) for _ in range(3)]
            await streams.take(3)
            assert listener.refused_count == 0
            for client in clients:
                client.close()

    tether.run(main())


def test_a_flood_leaves_nothing_behind(reports: Reports) -> None:
    async def main() -> None:
        streams = Streams()
        async with tether.listen("127.0.0.1:0", streams, max_per_address=5) as listener:
            for _ in range(40):
                clients = [open_socket(listener.address) for _ in range(10)]
                for stream in await streams.take(5):
                    stream.abort()
                while listener.open_count:
                    await asyncio.sleep(0)
                for client in clients:
                    client.close()
            assert listener.accepted_count == 200
            assert listener.refused_count == 200
            assert listener.open_count == 0
            assert len(listener.tree().splitlines()) == 1

    tether.run(main())
    assert len(reports.take()) == 2


@pytest.mark.parametrize("name", ["max_connections", "max_per_address"])
def test_a_limit_is_at_least_one(name: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=f"{name} is 1 or more, or None, got 0"):
            tether.listen("127.0.0.1:0", lambda stream: None, **{name: 0})  # type: ignore[arg-type]

    tether.run(main())
