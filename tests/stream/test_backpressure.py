"""Backpressure: what is not taken is said, what is taken is bounded, and nothing is lost."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

import tether
from tests.plain_sockets import receive_all, receive_exactly, reset
from tests.stream.pairs import fill, stream_and_socket
from tether.stream.channel import WRITE_HIGH, WRITE_LOW

SMALL = 8192


def test_below_the_high_mark_a_message_is_taken() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            outcome = stream.send(b"hello")
            assert outcome
            assert stream.buffered == 5
            await outcome
            await asyncio.sleep(0)
            assert (stream.buffered, stream.bytes_sent) == (0, 5)
            assert client.recv(100) == b"hello"

    tether.run(main())


def test_at_the_high_mark_a_message_is_not_taken() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, _):
            assert stream.send(b"x" * (WRITE_HIGH - 1))
            assert stream.send(b"one message may go above it")
            buffered = stream.buffered
            outcome = stream.send(b"not this one")
            assert not outcome
            assert stream.buffered == buffered
            stream.abort()

    tether.run(main())


def test_awaiting_waits_for_the_low_mark_and_then_takes_the_message() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, client):
            taken = await fill(stream)
            sending = asyncio.ensure_future(stream.send(b"the end"))
            await asyncio.sleep(0.01)
            assert not sending.done()
            assert stream.buffered >= WRITE_HIGH
            marks: list[int] = []
            sending.add_done_callback(lambda done: marks.append(stream.buffered))
            reading = asyncio.ensure_future(
                tether.to_thread(receive_exactly, client, taken + len(b"the end"))
            )
            await asyncio.wait_for(sending, 10)
            assert marks[0] <= WRITE_LOW + len(b"the end")
            assert (await reading).endswith(b"x" + b"the end")

    tether.run(main())


def test_many_who_wait_are_all_served_in_their_order() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, client):
            taken = await fill(stream)
            messages = [b"%09d" % number + b"y" * 30_000 for number in range(30)]
            sending = [asyncio.ensure_future(stream.send(message)) for message in messages]
            await asyncio.sleep(0)
            whole = await tether.to_thread(receive_exactly, client, taken + sum(map(len, messages)))
            assert whole[taken:] == b"".join(messages)
            await asyncio.gather(*sending)

    tether.run(main())


def test_cancelling_the_wait_means_that_it_was_not_sent() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, client):
            taken = await fill(stream)
            cancelled = asyncio.ensure_future(stream.send(b"cancelled"))
            timed_out = asyncio.ensure_future(asyncio.wait_for(stream.send(b"late"), 0.01))
            kept = asyncio.ensure_future(stream.send(b"kept"))
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(TimeoutError):
                await timed_out
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            reading = asyncio.ensure_future(tether.to_thread(receive_all, client))
            await kept
            stream.close()
            assert await reading == b"x" * taken + b"kept"

    tether.run(main())


def test_an_outcome_that_is_not_awaited_is_not_sent() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, client):
            taken = await fill(stream)
            assert not stream.send(b"dropped")
            reading = asyncio.ensure_future(tether.to_thread(receive_all, client))
            stream.close()
            assert await reading == b"x" * taken

    tether.run(main())


def test_memory_is_bounded_under_a_peer_that_never_reads() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, _):
            piece = b"x" * 8192
            highest = 0
            for _ in range(5000):
                stream.send(piece)
                highest = max(highest, stream.buffered)
                if stream.buffered < WRITE_HIGH:
                    await asyncio.sleep(0)
            assert stream.buffered >= WRITE_HIGH - len(piece)
            assert highest < WRITE_HIGH + len(piece)
            stream.abort()

    tether.run(main())


def test_on_drain_tells_when_to_go_on() -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, client):
            total = 2_000_000
            left = total
            told = 0
            complete = asyncio.Event()

            def go_on() -> None:
                nonlocal left
                while left and stream.send(b"z" * min(left, 10_000)):
                    left -= min(left, 10_000)
                if not left:
                    complete.set()

            @stream.on_drain
            def drained() -> None:
                nonlocal told
                told += 1
                assert stream.buffered <= WRITE_LOW
                go_on()

            go_on()
            reading = asyncio.ensure_future(tether.to_thread(receive_exactly, client, total))
            async with asyncio.timeout(10):
                await complete.wait()
            assert told > 0
            assert await reading == b"z" * total

    tether.run(main())


def test_on_drain_is_not_told_while_others_fill_it_again() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            told: list[int] = []
            stream.on_drain(lambda: told.append(stream.buffered))
            taken = await fill(stream)
            more = b"y" * (WRITE_LOW * 2)
            sending = asyncio.ensure_future(stream.send(more))
            await tether.to_thread(receive_exactly, client, taken + len(more))
            await sending
            while not told:
                await asyncio.sleep(0.001)
            assert max(told) <= WRITE_LOW

    tether.run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("cause", [None, ValueError("why")])
def test_sending_to_a_closed_stream_is_false_and_raises_only_when_awaited(
    end: str, cause: Exception | None
) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            getattr(stream, end)(cause)
            for _ in range(2):
                outcome = stream.send(b"late")
                assert not outcome
                with pytest.raises(tether.Closed) as caught:
                    await outcome
                assert caught.value.__cause__ is cause
                await stream.wait_closed()
            if end == "close":
                assert await tether.to_thread(client.recv, 100) == b""

    tether.run(main())


@pytest.mark.parametrize("how", ["close", "abort", "reset"])
def test_who_waits_to_send_is_told_when_the_stream_ends(how: str) -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, client):
            await fill(stream)
            sending = [asyncio.ensure_future(stream.send(b"never")) for _ in range(3)]
            await asyncio.sleep(0)
            if how == "reset":
                reset(client)
            else:
                getattr(stream, how)(ConnectionAbortedError("why") if how == "abort" else None)
            results = await asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), 5)
            expected: dict[str, type[BaseException]] = {
                "close": tether.Closed,
                "abort": ConnectionAbortedError,
                "reset": tether.ConnectionClosed,
            }
            assert [type(result) for result in results] == [expected[how]] * 3
            stream.abort()

    tether.run(main())


def test_a_taken_outcome_may_be_awaited_any_way() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            await stream.send(b"a")
            await asyncio.wait_for(stream.send(b"b"), 1)
            await asyncio.gather(stream.send(b"c"), stream.send(b"d"))
            await asyncio.shield(stream.send(b"e"))
            outcome = stream.send(b"f")
            await outcome
            await outcome
            assert await tether.to_thread(receive_exactly, client, 6) == b"abcdef"

    tether.run(main())


@pytest.mark.parametrize("way", ["wait_for", "timeout", "gather", "shield", "create_task"])
@pytest.mark.parametrize("full", [False, True])
def test_an_outcome_may_be_awaited_any_way_whether_taken_or_not(way: str, full: bool) -> None:
    async def main() -> None:
        async with stream_and_socket(receive_buffer=SMALL) as (stream, client):
            taken = await fill(stream) if full else 0
            outcome = stream.send(b"last")
            assert bool(outcome) is not full
            reading = asyncio.ensure_future(tether.to_thread(receive_exactly, client, taken + 4))
            if way == "wait_for":
                await asyncio.wait_for(outcome, 5)
            elif way == "timeout":
                async with asyncio.timeout(5):
                    await outcome
            elif way == "gather":
                await asyncio.gather(outcome)
            elif way == "shield":
                await asyncio.shield(outcome)
            else:
                await asyncio.create_task(outcome)  # type: ignore[arg-type]
            assert (await reading)[-4:] == b"last"

    tether.run(main())


def test_what_can_be_sent() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            changing = bytearray(b"23")
            for data in (b"1", changing, memoryview(b"45"), memoryview(b"6x7x")[::2]):
                assert stream.send(data)
            changing[:] = b"??"
            assert await tether.to_thread(receive_exactly, client, 7) == b"1234567"
            for bad in ("text", 1, None):
                with pytest.raises(TypeError):
                    stream.send(bad)  # type: ignore[arg-type]
            assert stream.send(b"")

    tether.run(main())


@pytest.mark.parametrize("size", [1, 2047, 2048, 4096, 65536, 10_000_000])
def test_a_message_of_any_size_arrives_whole(size: int) -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            message = bytes(range(256)) * (size // 256 + 1)
            message = message[:size]
            assert stream.send(message)
            assert await tether.to_thread(receive_exactly, client, size) == message

    tether.run(main())


def test_writes_of_one_pass_leave_together() -> None:
    async def main() -> None:
        async with stream_and_socket() as (stream, client):
            for number in range(100):
                stream.send(b"%d," % number)
            assert stream.bytes_sent == 0
            await asyncio.sleep(0)
            assert stream.bytes_sent == 290
            client.setblocking(False)
            assert client.recv(1000) == b"".join(b"%d," % number for number in range(100))

    tether.run(main())


def test_a_sender_without_end_to_a_fast_reader_leaves_the_timers_their_turn() -> None:
    # The reader is a process of its own, so that it takes whatever is sent at once.
    program = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
    while client.recv(1_000_000):
        pass
"""
    ticks: list[float] = []

    async def main() -> None:
        chunk = b"x" * WRITE_HIGH

        async def send_on(stream: tether.Stream) -> None:
            # The starved loop could not end this by a timer either. Processor time: others may
            # keep this process waiting.
            end = time.process_time() + 3
            await stream.send(chunk)
            begun.set()
            while len(ticks) < 20 and time.process_time() < end:
                await stream.send(chunk)
            done.set()

        begun, done = asyncio.Event(), asyncio.Event()
        async with tether.listen("127.0.0.1:0", send_on) as listener:
            tether.Scope().every(0.01, lambda: ticks.append(time.monotonic()))
            port = listener.address.rpartition(":")[2]
            reader = await asyncio.create_subprocess_exec(sys.executable, "-c", program, port)
            await begun.wait()
            ticks.clear()
            await done.wait()
        assert await reader.wait() == 0

    tether.run(main())
    assert len(ticks) >= 20
