"""Reading: what comes, in order, no more than somebody takes, up to the end of file."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

import tether
from tests.plain_sockets import receive_all
from tests.stream.pairs import stream_and_socket
from tether.stream.channel import READ_HIGH


def test_read_returns_what_is_there() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.send(b"hello")
            assert await stream.read() == b"hello"
            reading = asyncio.ensure_future(stream.read(3))
            await asyncio.sleep(0)
            assert not reading.done()
            client.send(b"world")
            assert await reading == b"wor"
            assert await stream.read(100) == b"ld"
            assert stream.bytes_received == 10

    tether.run(main())


@pytest.mark.parametrize("size", [0, 1, 5, 100_000, 1_000_000])
def test_readexactly_waits_for_all_of_it(size: int) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            message = (bytes(range(256)) * (size // 256 + 1))[:size]
            sending = asyncio.ensure_future(tether.to_thread(client.sendall, message + b"rest"))
            assert await stream.readexactly(size) == message
            assert await stream.readexactly(4) == b"rest"
            await sending

    tether.run(main())


def test_no_more_is_taken_than_the_read_mark_leaves_room_for() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.setblocking(False)
            sent = 0
            stalled = 0
            while stalled < 5:
                try:
                    sent += client.send(b"x" * 65536)
                    stalled = 0
                except BlockingIOError:
                    stalled += 1
                    await asyncio.sleep(0.002)
            assert stream.bytes_received == READ_HIGH
            assert sent > 2 * READ_HIGH
            got = 0
            while got < sent:
                piece = await stream.read(10_000)
                assert set(piece) == {ord("x")}
                got += len(piece)
                assert stream.bytes_received <= got + READ_HIGH
            assert got == sent

    tether.run(main())


def test_pause_is_felt_by_the_peer_and_loses_nothing() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            got = bytearray()
            first, last = asyncio.Event(), asyncio.Event()

            @stream.on_data
            def take(data: bytes) -> None:
                got.extend(data)
                first.set()
                if got.endswith(b"end"):
                    last.set()

            client.send(b"begin")
            await first.wait()
            stream.pause()
            client.send(b"while paused")
            await asyncio.sleep(0.01)
            assert got == b"begin"
            client.send(b"end")
            stream.resume_reading()
            await asyncio.wait_for(last.wait(), 5)
            assert got == b"beginwhile pausedend"

    tether.run(main())


def test_pause_inside_the_callback_holds_at_once() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            calls: list[int] = []
            total = 500_000
            done = asyncio.Event()

            @stream.on_data
            def take(data: bytes) -> None:
                calls.append(len(data))
                stream.pause()
                tether.Scope(stream).after(0, stream.resume_reading)
                if sum(calls) == total:
                    done.set()

            sending = asyncio.ensure_future(tether.to_thread(client.sendall, bytes(total)))
            await asyncio.wait_for(done.wait(), 10)
            await sending
            assert max(calls) <= READ_HIGH

    tether.run(main())


@pytest.mark.parametrize("ends", [False, True])
def test_what_came_before_on_data_waits_while_paused(ends: bool) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            told: list[bytes | None] = []
            client.send(b"early")
            if ends:
                client.shutdown(socket.SHUT_WR)
            while stream.bytes_received < 5:
                await asyncio.sleep(0)
            stream.pause()
            stream.on_data(told.append)
            stream.on_eof(lambda: told.append(None))
            for _ in range(5):
                await asyncio.sleep(0)
            assert told == []
            stream.resume_reading()
            while len(told) < 1 + ends:
                await asyncio.sleep(0)
            assert told == ([b"early", None] if ends else [b"early"])

    tether.run(main())


def test_a_busy_stream_does_not_starve_others() -> None:
    async def main() -> None:
        async with stream_and_socket() as (busy, flood), stream_and_socket() as (quiet, client):
            got = 0

            @busy.on_data
            def take(data: bytes) -> None:
                nonlocal got
                got += len(data)

            total = 20_000_000
            sending = asyncio.ensure_future(tether.to_thread(flood.sendall, bytes(total)))
            client.send(b"hello")
            assert await asyncio.wait_for(quiet.read(), 5) == b"hello"
            assert got < total
            await sending

    tether.run(main())


def test_what_came_before_on_data_comes_first_and_once() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            message = b"".join(b"%07d " % number for number in range(40_000))
            sending = asyncio.ensure_future(tether.to_thread(client.sendall, message))
            got = bytearray(await stream.read(10))
            await asyncio.sleep(0.01)
            complete = asyncio.Event()

            @stream.on_data
            def take(data: bytes) -> None:
                got.extend(data)
                if len(got) >= len(message):
                    complete.set()

            await asyncio.wait_for(complete.wait(), 10)
            assert got == message
            await sending

    tether.run(main())


def test_end_of_file_after_the_last_byte() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.send(b"last words")
            client.shutdown(socket.SHUT_WR)
            assert await stream.read(4) == b"last"
            assert await stream.read() == b" words"
            assert await stream.read() == b""
            assert await stream.read() == b""
            assert stream.state == "open"

    tether.run(main())


def test_the_end_of_file_cuts_readexactly_short() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.send(b"four")
            client.shutdown(socket.SHUT_WR)
            with pytest.raises(tether.ConnectionClosed, match="4 of 5 bytes"):
                await stream.readexactly(5)
            assert await stream.readexactly(4) == b"four"

    tether.run(main())


def test_after_the_peers_end_of_file_we_may_still_send() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            client.shutdown(socket.SHUT_WR)
            assert await stream.read() == b""
            answer = bytes(1_000_000)
            reading = asyncio.ensure_future(tether.to_thread(receive_all, client))
            await stream.send(answer)
            await asyncio.sleep(0)
            stream.close()
            assert await reading == answer

    tether.run(main())


@pytest.mark.parametrize("late", [False, True])
def test_a_stream_of_callbacks_closes_at_the_end_of_file(late: bool) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            got: list[bytes] = []
            client.send(b"hello")
            client.shutdown(socket.SHUT_WR)
            if late:
                assert await stream.read(1) == b"h"
                await asyncio.sleep(0.01)
            stream.on_data(got.append)
            await asyncio.wait_for(stream.wait_closed(), 5)
            assert stream.error is None
            assert b"".join(got) == (b"ello" if late else b"hello")

    tether.run(main())


@pytest.mark.parametrize("late", [False, True])
def test_on_eof_keeps_it_open_and_is_told_once(late: bool) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            told: list[str] = []
            reached = asyncio.Event()

            def end() -> None:
                told.append("eof")
                reached.set()

            client.shutdown(socket.SHUT_WR)
            if late:
                assert await stream.read() == b""
            stream.on_eof(end)
            await asyncio.wait_for(reached.wait(), 5)
            assert stream.send(b"still here")
            await asyncio.sleep(0.01)
            assert told == ["eof"]
            assert client.recv(100) == b"still here"

    tether.run(main())


def test_unix_sockets(tmp_path: Path) -> None:
    async def main() -> None:
        address = f"unix:{tmp_path}/socket"
        async with stream_and_socket(address) as (stream, client):
            message = bytes(range(256)) * 20_000
            sending = asyncio.ensure_future(tether.to_thread(client.sendall, message))
            assert await stream.readexactly(len(message)) == message
            await sending
            reading = asyncio.ensure_future(tether.to_thread(receive_all, client))
            await stream.send(message)
            stream.close()
            assert await reading == message
            assert stream.peer.startswith("unix:")
        assert not (tmp_path / "socket").exists()

    tether.run(main())


def test_two_streams_of_one_loop_talk_both_ways() -> None:
    async def main() -> None:
        async def echo(stream: tether.Stream) -> None:
            while data := await stream.read():
                await stream.send(data)

        async with tether.listen("127.0.0.1:0", echo) as listener:
            message = bytes(range(256)) * 8000
            streams = [await tether.connect(listener.address) for _ in range(10)]

            async def through(stream: tether.Stream) -> None:
                async def send() -> None:
                    for start in range(0, len(message), 50_000):
                        await stream.send(message[start : start + 50_000])

                sending = asyncio.create_task(send())
                assert await stream.readexactly(len(message)) == message
                await sending
                stream.close()
                await stream.wait_closed()

            await asyncio.gather(*(through(stream) for stream in streams))

    tether.run(main())


def test_streams_cannot_be_made_directly() -> None:
    with pytest.raises(TypeError, match=r"tether\.connect"):
        tether.Stream()


def test_peer_is_the_other_side_as_people_write_it() -> None:
    async def main() -> None:
        for address in ("127.0.0.1:0", "[::1]:0"):
            async with stream_and_socket(address) as (stream, client):
                host, port = client.getsockname()[:2]
                assert stream.peer == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    tether.run(main())
