"""What `sendto` of a datagram endpoint takes, refuses and reports."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.aio.both_loops import Datagrams, LoopFactory, on_both, passes, run
from tests.watch import Reports

SENDS_EMPTY = sys.version_info >= (3, 13)


async def endpoint(**how: Any) -> tuple[asyncio.DatagramTransport, Datagrams]:
    return await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, **how)


def test_it_is_what_asyncio_says_it_is() -> None:
    async def main() -> None:
        transport, _ = await endpoint(local_addr=("127.0.0.1", 0))
        assert isinstance(transport, asyncio.DatagramTransport)
        assert isinstance(transport, asyncio.Transport)  # asyncio's own is both
        assert isinstance(transport, tether.Scope)
        assert "DatagramTransport" in asyncio.get_running_loop().scope.tree()  # type: ignore[attr-defined]
        transport.close()

    tether.run(main())


@on_both
def test_any_kind_of_bytes_is_sent(factory: LoopFactory) -> None:
    async def main() -> None:
        server, got = await endpoint(local_addr=("127.0.0.1", 0))
        client, _ = await endpoint(remote_addr=server.get_extra_info("sockname"))
        for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"-view-")[1:-1]):
            client.sendto(data)
            assert (await got.got.get())[0] == bytes(data)
        client.close()
        server.close()
        await passes()

    run(factory, main())


@on_both
@pytest.mark.parametrize("data", ["text", 5, None, [1]])
def test_what_is_not_bytes_is_a_type_error(factory: LoopFactory, data: Any) -> None:
    async def main() -> None:
        transport, protocol = await endpoint(remote_addr=("127.0.0.1", 9))
        with pytest.raises(TypeError, match=type(data).__name__):
            transport.sendto(data)
        assert not transport.is_closing()
        transport.close()
        await protocol.over

    run(factory, main())


@on_both
def test_another_address_than_the_connected_one_is_a_value_error(factory: LoopFactory) -> None:
    async def main() -> None:
        server, got = await endpoint(local_addr=("127.0.0.1", 0))
        where = server.get_extra_info("sockname")
        transport, protocol = await endpoint(remote_addr=where)
        with pytest.raises(ValueError, match="Invalid address"):
            transport.sendto(b"x", ("127.0.0.1", where[1] ^ 1))
        transport.sendto(b"y", where)
        assert (await got.got.get())[0] == b"y"
        transport.close()
        server.close()
        assert await protocol.over is None

    run(factory, main())


@on_both
def test_an_empty_datagram_is_sent_from_3_13_on(factory: LoopFactory) -> None:
    async def main() -> None:
        server, got = await endpoint(local_addr=("127.0.0.1", 0))
        client, _ = await endpoint(remote_addr=server.get_extra_info("sockname"))
        client.sendto(b"")
        client.sendto(b"x")
        arrived = [(await got.got.get())[0]]
        if SENDS_EMPTY:
            arrived.append((await got.got.get())[0])
        assert arrived == ([b"", b"x"] if SENDS_EMPTY else [b"x"])
        client.close()
        server.close()
        await passes()

    run(factory, main())


@on_both
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_refusal_that_comes_back_is_told(factory: LoopFactory, host: str) -> None:
    async def main() -> None:
        with socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
        ) as s:
            s.bind((host, 0))
            port = s.getsockname()[1]
        transport, protocol = await endpoint(remote_addr=(host, port))
        transport.sendto(b"x")
        error = await protocol.errors.get()
        assert isinstance(error, ConnectionRefusedError)
        assert not transport.is_closing()
        transport.close()
        assert await protocol.over is None

    run(factory, main())


def test_a_refusal_is_told_while_reading_is_paused_too() -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        transport, protocol = await endpoint(remote_addr=("127.0.0.1", port))
        transport.pause_reading()  # type: ignore[attr-defined]
        transport.sendto(b"x")
        await passes()
        transport.sendto(b"y")  # the system tells whoever calls next
        assert isinstance(await protocol.errors.get(), ConnectionRefusedError)
        transport.close()

    tether.run(main())


@on_both
def test_a_datagram_that_is_too_long_is_told(factory: LoopFactory) -> None:
    async def main() -> None:
        transport, protocol = await endpoint(remote_addr=("127.0.0.1", 9))
        transport.sendto(bytes(70000))
        assert (await protocol.errors.get()).errno == 90  # type: ignore[attr-defined]
        transport.close()
        await protocol.over

    run(factory, main())


@on_both
@pytest.mark.parametrize("address", [None, 5, ("127.0.0.1",), ("127.0.0.1", 70000), ("\0", 9)])
def test_what_is_no_address_ends_the_transport(
    factory: LoopFactory, address: Any, reports: Reports
) -> None:
    async def main() -> None:
        transport, protocol = await endpoint(local_addr=("127.0.0.1", 0))
        transport.sendto(b"x", address)
        assert isinstance(await protocol.over, TypeError | OverflowError | ValueError)

    run(factory, main())
    [message] = reports.take()
    assert message.startswith("Fatal write error on datagram transport")


def full_pair(tmp_path: Path) -> tuple[socket.socket, socket.socket]:
    """A socket to send from, and one with a short queue that nobody reads."""
    reading = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    reading.bind(str(tmp_path / "reading"))
    reading.setblocking(False)
    sending = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sending.connect(reading.getsockname())
    return sending, reading


@on_both
def test_what_finds_no_room_waits_and_the_protocol_is_told(
    factory: LoopFactory, tmp_path: Path
) -> None:
    async def main() -> None:
        sending, reading = full_pair(tmp_path)
        transport, protocol = await endpoint(sock=sending)
        transport.set_write_buffer_limits(high=3000, low=1000)  # type: ignore[attr-defined]
        sent = 0
        while "pause" not in protocol.told:
            transport.sendto(b"%4d" % sent + bytes(996))
            sent += 1
        header = 8 if SENDS_EMPTY else 0
        waiting = transport.get_write_buffer_size()  # type: ignore[attr-defined]
        assert 3000 < waiting <= 4 * (1000 + header)
        assert waiting % (1000 + header) == 0
        assert "resume" not in protocol.told

        async def read(count: int) -> None:
            loop = asyncio.get_running_loop()
            for number in range(count):
                data = await loop.sock_recv(reading, 2000)
                assert data == b"%4d" % number + bytes(996)

        await read(sent)
        await passes()
        assert protocol.told == ["made", "pause", "resume"]
        transport.close()
        assert await protocol.over is None
        reading.close()

    # 3.13.0 counts the header when a datagram begins to wait and not when it leaves.
    if factory is asyncio.SelectorEventLoop and sys.version_info[:3] == (3, 13, 0):
        pytest.skip("this asyncio miscounts")
    run(factory, main())


@on_both
def test_closing_sends_what_waits_and_aborting_does_not(
    factory: LoopFactory, tmp_path: Path
) -> None:
    async def main(ends: str) -> None:
        folder = tmp_path / ends
        folder.mkdir()
        sending, reading = full_pair(folder)
        transport, protocol = await endpoint(sock=sending)
        sent = 0
        while transport.get_write_buffer_size() < 5000:  # type: ignore[attr-defined]
            transport.sendto(b"%4d" % sent + bytes(996))
            sent += 1
        getattr(transport, ends)()
        assert transport.is_closing()
        await passes()
        assert ("lost" in protocol.told) is (ends == "abort")
        received = 0
        with reading:
            if ends == "close":
                while received < sent:
                    data = await asyncio.get_running_loop().sock_recv(reading, 2000)
                    assert data.startswith(b"%4d" % received)
                    received += 1
            assert await protocol.over is None
            with pytest.raises(BlockingIOError):
                while reading.recv(2000):
                    received += 1
        assert (received == sent) is (ends == "close")

    run(factory, main("close"))
    run(factory, main("abort"))


@on_both
def test_sending_on_after_the_end_is_warned_of(factory: LoopFactory, reports: Reports) -> None:
    async def main() -> None:
        transport, protocol = await endpoint(remote_addr=("127.0.0.1", 9))
        transport.abort()
        for _ in range(10):
            transport.sendto(b"x")
        assert await protocol.over is None

    run(factory, main())
    assert len(reports.take()) == 6  # the first four are forgiven
