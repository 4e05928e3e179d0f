"""Pipe transports: FIFOs, sockets, terminals and what cannot be polled; reading and writing."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.aio.both_loops import Bytes, LoopFactory, Writing, on_both, passes, run
from tests.watch import Reports


async def reading(pipe: Any) -> tuple[asyncio.ReadTransport, Bytes]:
    return await asyncio.get_running_loop().connect_read_pipe(Bytes, pipe)


async def writing(pipe: Any) -> tuple[asyncio.WriteTransport, Writing]:
    return await asyncio.get_running_loop().connect_write_pipe(Writing, pipe)


def pipe_ends(kind: str) -> tuple[Any, Any]:
    """Objects to read from and to write to."""
    if kind == "socket":
        return socket.socketpair()
    if kind == "terminal":
        here, there = os.openpty()
        os.set_blocking(here, False)
        return os.fdopen(here, "rb", 0), os.fdopen(there, "wb", 0)
    here, there = os.pipe()
    return os.fdopen(here, "rb", 0), os.fdopen(there, "wb", 0)


def device(path: str, mode: int) -> Any:
    return os.fdopen(os.open(path, mode), "rb" if mode == os.O_RDONLY else "wb", 0)


@on_both
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_written_is_read_and_the_end_too(factory: LoopFactory, kind: str) -> None:
    async def main() -> None:
        here, there = pipe_ends(kind)
        source, got = await reading(here)
        sink, wrote = await writing(there)
        assert isinstance(source, asyncio.ReadTransport)
        assert isinstance(sink, asyncio.WriteTransport)
        assert source.get_extra_info("pipe") is here
        assert sink.get_extra_info("pipe") is there
        assert not os.get_blocking(here.fileno())
        assert sink.can_write_eof()
        payload = os.urandom(1_000_000)
        sink.write(payload[:10])
        sink.write(bytearray(payload[10:500_000]))
        sink.writelines([memoryview(payload)[500_000:], b"", b"end"])
        assert wrote.told == ["made", "pause"]
        sink.write_eof()
        sink.close()
        assert await wrote.over is None
        assert await got.over is None
        assert got.got == payload + b"end"
        assert got.told[-2:] == ["eof", "lost"]
        assert source.is_closing() and sink.is_closing()

    run(factory, main())


@on_both
def test_a_terminal(factory: LoopFactory) -> None:
    async def main() -> None:
        here, there = pipe_ends("terminal")
        source, got = await reading(here)
        sink, wrote = await writing(there)
        sink.write(b"hello\n")
        while got.got != b"hello\r\n":
            await asyncio.sleep(0)
        sink.close()
        assert await wrote.over is None
        # Linux tells the end of a terminal's other side as EIO.
        error = await got.over
        assert error is None or (isinstance(error, OSError) and error.errno == 5)
        assert source.is_closing()

    run(factory, main())


def test_one_file_may_be_used_both_ways() -> None:
    # As a serial line is: asyncio cannot watch one descriptor for two.
    async def main() -> None:
        peer, line = os.openpty()
        os.set_blocking(peer, False)
        with os.fdopen(os.dup(line), "r+b", 0) as shared:
            source, got = await reading(shared)
            sink, wrote = await writing(shared)
            os.write(peer, b"question\n")
            while got.got != b"question\n":
                await asyncio.sleep(0)
            sink.write(bytes(100_000).replace(b"\0", b"x"))
            sent = 0
            while sent < 100_000:
                try:
                    sent += os.read(peer, 100_000).count(b"x")
                except BlockingIOError:
                    await asyncio.sleep(0)
            sink.close()
            await wrote.over
            source.close()
            await got.over
        os.close(line)
        os.close(peer)

    tether.run(main())


@on_both
def test_reading_can_be_paused(factory: LoopFactory) -> None:
    async def main() -> None:
        here, there = pipe_ends("pipe")
        source, got = await reading(here)
        assert source.is_reading()
        source.pause_reading()
        source.pause_reading()
        assert not source.is_reading()
        there.write(b"x")
        await passes()
        assert got.got == b""
        source.resume_reading()
        source.resume_reading()
        while not got.got:
            await asyncio.sleep(0)
        source.pause_reading()
        there.close()
        await passes()
        assert "eof" not in got.told
        source.resume_reading()
        assert await got.over is None
        source.resume_reading()

    run(factory, main())


@on_both
@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize("waits", [False, True])
def test_the_writing_end_notices_that_the_reader_left(
    factory: LoopFactory, kind: str, waits: bool
) -> None:
    async def main() -> None:
        here, there = pipe_ends(kind)
        sink, wrote = await writing(there)
        sink.write(bytes(1_000_000 if waits else 10))
        here.close()
        error = await wrote.over
        # What cannot be sent any more is an error, whichever system call found out.
        if waits:
            assert isinstance(error, BrokenPipeError | ConnectionResetError)
        else:
            assert error is None
        assert sink.is_closing()

    run(factory, main())


def test_a_socket_that_is_written_to_may_also_receive() -> None:
    # asyncio takes a byte that comes back for the end.
    async def main() -> None:
        here, there = socket.socketpair()
        sink, wrote = await writing(there)
        here.send(b"x")
        sink.write(b"still here")
        await passes()
        assert here.recv(100) == b"still here"
        # Some pollers cannot tell the two apart either.
        early_close = asyncio.get_running_loop().poller.early_close  # type: ignore[attr-defined]
        assert sink.is_closing() is not early_close
        here.close()
        await wrote.over

    tether.run(main())


@on_both
def test_flow_control(factory: LoopFactory) -> None:
    async def main() -> None:
        here, there = pipe_ends("pipe")
        os.set_blocking(here.fileno(), False)
        sink, wrote = await writing(there)
        sink.set_write_buffer_limits(high=2000, low=500)
        assert sink.get_write_buffer_limits() == (500, 2000)
        if factory is tether.Loop:  # asyncio has an assertion there
            with pytest.raises(TypeError, match="bytes-like"):
                sink.write("text")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="must be >="):
            sink.set_write_buffer_limits(high=1, low=2)
        while not sink.get_write_buffer_size():
            sink.write(bytes(1000))
        while "pause" not in wrote.told:
            sink.write(bytes(1000))
        assert sink.get_write_buffer_size() > 2000
        while "resume" not in wrote.told:
            here.read(100)
            await asyncio.sleep(0)
        assert sink.get_write_buffer_size() <= 500
        assert wrote.told == ["made", "pause", "resume"]
        sink.abort()
        assert await wrote.over is None
        here.close()

    run(factory, main())


@on_both
def test_a_regular_file_is_no_pipe(factory: LoopFactory, tmp_path: Path) -> None:
    async def main() -> None:
        with (tmp_path / "file").open("w+b") as file:
            with pytest.raises(ValueError, match="pipe"):
                await reading(file)
            with pytest.raises(ValueError, match="pipe"):
                await writing(file)

    run(factory, main())


def test_what_cannot_be_polled_is_read_all_the_same() -> None:
    # A program whose standard input is /dev/null; asyncio would wait for ever.
    async def main() -> None:
        _, got = await reading(device("/dev/null", os.O_RDONLY))
        assert await got.over is None
        assert got.told == ["made", "eof", "lost"]
        source, got = await reading(device("/dev/zero", os.O_RDONLY))
        while len(got.got) < 1_000_000:
            await asyncio.sleep(0)
        source.pause_reading()
        size = len(got.got)
        await passes()
        assert len(got.got) == size
        source.resume_reading()
        while len(got.got) == size:
            await asyncio.sleep(0)
        source.close()
        await got.over
        sink, wrote = await writing(device("/dev/null", os.O_WRONLY))
        sink.write(bytes(100_000))
        assert sink.get_write_buffer_size() == 0
        sink.close()
        await wrote.over

    tether.run(main())


@on_both
def test_a_write_that_fails_ends_the_transport(factory: LoopFactory, reports: Reports) -> None:
    async def main() -> None:
        sink, wrote = await writing(device("/dev/full", os.O_WRONLY))
        sink.write(b"x")
        error = await wrote.over
        assert isinstance(error, OSError) and error.errno == 28
        for _ in range(10):
            sink.write(b"x")

    run(factory, main())
    assert len(reports.take()) in (5, 6)  # the first ones are forgiven


@on_both
@pytest.mark.parametrize("where", ["made", "data", "eof", "lost"])
@pytest.mark.parametrize("action", ["close", "raise"])
def test_the_reading_protocol_may_end_it_or_fail_anywhere(
    factory: LoopFactory, where: str, action: str, reports: Reports
) -> None:
    class Acting(Bytes):
        def act(self, here: str) -> None:
            if here != where:
                return
            if action == "raise":
                raise ZeroDivisionError
            self.transport.close()

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.act("made")

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.act("data")

        def eof_received(self) -> None:
            super().eof_received()
            self.act("eof")

        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            self.act("lost")

    async def main() -> None:
        here, there = pipe_ends("pipe")
        there.write(b"x")
        _, protocol = await asyncio.get_running_loop().connect_read_pipe(Acting, here)
        there.close()
        assert await protocol.over is None
        await passes()
        ends_early = action == "close" and where in ("made", "data")
        assert ("eof" in protocol.told) is not ends_early
        assert ("data" in protocol.told) is not (action == "close" and where == "made")
        assert protocol.told.count("lost") == 1

    run(factory, main())
    failed = reports.take_errors()
    assert [type(error) for error in failed] == ([ZeroDivisionError] if action == "raise" else [])


@pytest.mark.parametrize("where", ["made", "pause", "resume", "lost"])
@pytest.mark.parametrize("action", ["close", "abort", "raise"])
def test_the_writing_protocol_may_end_it_or_fail_anywhere(
    where: str, action: str, reports: Reports
) -> None:
    # asyncio's own calls connection_lost twice where resume_writing closes it.
    class Acting(Writing):
        def act(self, here: str) -> None:
            self.told.append(here)
            if here == where:
                if action == "raise":
                    raise ZeroDivisionError
                getattr(self.transport, action)()

        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.act("made")

        def pause_writing(self) -> None:
            self.act("pause")

        def resume_writing(self) -> None:
            self.act("resume")

        def connection_lost(self, error: Exception | None) -> None:
            self.over.set_result(error)
            self.act("lost")

    async def main() -> None:
        here, there = pipe_ends("pipe")
        os.set_blocking(here.fileno(), False)
        sink, protocol = await asyncio.get_running_loop().connect_write_pipe(Acting, there)
        sink.write(bytes(500_000))
        read = 0
        while not protocol.over.done():
            read += len(here.read(1_000_000) or b"")
            if read == 500_000:
                sink.close()
            await asyncio.sleep(0)
        await passes()
        assert protocol.told.count("lost") == 1
        if action == "raise" or where in ("lost", "resume"):
            assert protocol.told == ["made", "pause", "resume", "lost"]
            assert read == 500_000 or (where == "resume" and action == "abort")
        here.close()

    run(tether.Loop, main())
    failed = reports.take_errors()
    assert [type(error) for error in failed] == ([ZeroDivisionError] if action == "raise" else [])


@pytest.mark.parametrize("ends", ["close", "abort"])
def test_the_root_scope_ends_pipes(ends: str) -> None:
    async def main() -> None:
        here, there = pipe_ends("pipe")
        _, got = await reading(here)
        _, wrote = await writing(there)
        scope = asyncio.get_running_loop().scope  # type: ignore[attr-defined]
        getattr(scope, ends)()
        assert await got.over is None
        assert await wrote.over is None
        await scope.wait_closed()

    with asyncio.Runner(loop_factory=tether.Loop) as runner:
        runner.run(main())


def test_a_loop_that_closes_ends_what_is_left_without_a_word() -> None:
    loop = tether.Loop()

    async def main() -> tuple[Bytes, Writing]:
        here, there = pipe_ends("pipe")
        sink, wrote = await writing(there)
        sink.write(bytes(1_000_000))
        return (await reading(here))[1], wrote

    got, wrote = loop.run_until_complete(main())
    with pytest.warns(ResourceWarning, match="PipeTransport"):
        loop.close()
    assert "lost" not in got.told + wrote.told
