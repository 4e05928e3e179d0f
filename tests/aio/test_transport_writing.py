"""What is written to a transport arrives, or is dropped and told of, as asyncio has it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.aio.recorder import Recorder, Run, connected, read_all, reset
from tests.watch import Reports


def test_close_sends_what_was_written_and_abort_drops_it(run: Run) -> None:
    async def main() -> None:
        closing, aborting = Recorder(), Recorder()
        payload = bytes(30_000_000)
        with await connected(closing) as peer:
            closing.transport.write(payload)
            closing.transport.close()
            assert closing.transport.is_closing()
            assert await read_all(peer) == payload
            await closing.lost
        with await connected(aborting) as peer:
            aborting.transport.write(payload)
            aborting.transport.abort()
            await aborting.lost
            assert len(await read_all(peer)) < len(payload)
        assert closing.error is None
        assert aborting.error is None

    run(main)


def test_writing_is_paused_above_the_mark_and_resumed_below(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        with await connected(protocol) as peer:
            transport = protocol.transport
            transport.set_write_buffer_limits(high=100_000, low=1_000)
            assert transport.get_write_buffer_limits() == (1_000, 100_000)
            sent = 0
            while not protocol.paused.done():
                transport.write(bytes(50_000))
                sent += 50_000
            assert transport.get_write_buffer_size() > 100_000
            assert "resume_writing" not in protocol.calls
            transport.close()
            assert len(await read_all(peer)) == sent
            await protocol.lost
        assert protocol.calls[:3] == ["connection_made", "pause_writing", "resume_writing"]

    run(main)


def test_write_takes_any_buffer_and_refuses_what_is_none(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        with await connected(protocol) as peer:
            transport = protocol.transport
            with pytest.raises(TypeError):
                transport.write("text")  # type: ignore[arg-type]
            transport.write(b"")
            transport.write(bytearray(b"one "))
            transport.write(memoryview(b"two "))
            transport.writelines([b"three ", bytearray(b"four")])
            transport.write_eof()
            with pytest.raises(RuntimeError, match="after write_eof"):
                transport.write(b"late")
            assert await read_all(peer) == b"one two three four"
            peer.send(b"the other way is open")
            await protocol.data
            transport.close()
            await protocol.lost

    run(main)


def test_a_changed_buffer_does_not_change_what_was_written(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        with await connected(protocol) as peer:
            for size in (10, 5_000, 3_000_000):
                data = bytearray(b"a") * size
                protocol.transport.write(bytes(data))
                data[:] = b"b" * size
            protocol.transport.close()
            assert set(await read_all(peer)) == {ord("a")}
            await protocol.lost

    run(main)


def test_writes_to_a_lost_connection_are_ignored_and_told_of_after_a_while(
    run: Run, reports: Reports
) -> None:
    async def main() -> None:
        protocol = Recorder()
        reset(await connected(protocol))
        await protocol.lost
        for _ in range(10):
            protocol.transport.write(b"x")

    run(main)
    told = reports.take()
    assert told
    assert set(told) == {"socket.send() raised exception."}


def test_a_writer_that_never_waits_hears_of_the_loss(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            _, writer = await asyncio.open_connection(*listening.getsockname())
            listening.accept()[0].close()
        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"foo\n")
                await writer.drain()  # below the mark it does not let the loop go on
        writer.close()

    run(main)


def test_last_words_leave_before_an_abort(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        with await connected(protocol) as peer:
            protocol.transport.write(b"last words")
            protocol.transport.abort()
            assert await read_all(peer) == b"last words"
            await protocol.lost

    run(main)
