"""A filter that fails in any of its methods, or ends its stream: it ends once, with the cause."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tether

METHODS = ["encode", "flush", "end", "decode", "eof"]


class Acting(tether.Filter):
    """Does something in one of its methods."""

    def __init__(self, method: str, act: Callable[[], object], lazily: bool) -> None:
        def acting(data: bytes = b"") -> bytes | Iterator[bytes]:
            self.calls += 1
            if lazily:
                return self.pieces(act, data)
            act()
            return data

        self.calls = 0
        setattr(self, method, acting)

    def pieces(self, act: Callable[[], object], data: bytes) -> Iterator[bytes]:
        yield data[:1]
        act()
        yield data[1:]


def fail() -> None:
    raise ValueError("no such code")


async def use(stream: tether.Stream, other: tether.Stream) -> None:
    """Both send, the other closes, the stream reads to its end, and closes."""
    stream.send(b"hello")
    other.send(b"hello")
    await asyncio.sleep(0)
    other.on_data(lambda data: None)
    other.close()
    try:
        while await stream.read():
            pass
    except tether.NetworkError:
        pass
    stream.close()
    await asyncio.wait_for(stream.wait_closed(), 2)


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_what_it_raises_is_the_cause(method: str, lazily: bool) -> None:
    async def main() -> None:
        stream, other = tether.pair()
        causes: list[BaseException | None] = []
        stream.on_close(causes.append)
        acting = stream.push(Acting(method, fail, lazily))
        if method == "end":
            stream.close()  # while the other one is there
        await use(stream, other)
        assert acting.calls == 1
        (cause,) = causes
        assert isinstance(cause, tether.ProtocolError)
        assert (cause.phase, cause.peer) == ("message", "pair")
        assert isinstance(cause.__cause__, ValueError)
        assert "no such code" in str(cause)

    tether.run(main())


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_it_may_end_its_stream(method: str, lazily: bool, how: str) -> None:
    async def main() -> None:
        stream, other = tether.pair()
        acting = stream.push(Acting(method, lambda: getattr(stream, how)(), lazily))
        received: list[bytes] = []
        if method == "decode":
            stream.on_data(received.append)
            other.send(b"hello")
            await asyncio.wait_for(stream.wait_closed(), 2)
            assert received == ([b"h"] if lazily else [])
        else:
            await use(stream, other)
        assert acting.calls == 1
        assert stream.error is None
        other.abort()

    tether.run(main())


@pytest.mark.parametrize("method", ["encode", "decode"])
def test_it_may_push_and_send_and_pause(method: str) -> None:
    async def main() -> None:
        stream, other = tether.pair()

        def act() -> None:
            stream.pause()
            stream.send(b"more")

        stream.push(tether.Filter())
        once = iter([act])
        stream.push(Acting(method, lambda: next(once, lambda: None)(), True))
        stream.send(b"hello")
        other.send(b"hello")
        assert await other.readexactly(9) == b"hellomore"
        stream.resume_reading()
        assert await stream.readexactly(5) == b"hello"
        stream.close()
        other.close()

    tether.run(main())


@pytest.mark.parametrize("made", ["text", 5, [b"good", "bad"], object()])
def test_what_is_no_bytes_is_a_protocol_error(made: object) -> None:
    async def main() -> None:
        class Wrong(tether.Filter):
            def decode(self, data: bytes) -> bytes:
                return made  # type: ignore[return-value]

        stream, other = tether.pair()
        stream.push(Wrong())
        other.send(b"x")
        with pytest.raises(tether.ProtocolError) as caught:
            assert await stream.read() == b"good"
            await stream.read()
        assert isinstance(caught.value.__cause__, TypeError)
        other.close()

    tether.run(main())


@pytest.mark.parametrize("method", ["encode", "decode"])
def test_an_exit_leaves_the_loop_and_the_stream_ends(method: str) -> None:
    def leave() -> None:
        raise SystemExit(3)

    streams: list[tether.Stream] = []

    async def main() -> None:
        stream, other = tether.pair()
        streams.append(stream)
        stream.push(Acting(method, leave, False))
        stream.send(b"x")
        other.send(b"x")
        await asyncio.Event().wait()

    with pytest.raises(SystemExit):
        tether.run(main())
    assert streams[0].state == "closed"
    assert isinstance(streams[0].error, SystemExit)


def test_a_file_that_became_shorter_is_told_and_ends_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1_000_000))

    async def main() -> None:
        stream, other = tether.pair()
        stream.push(tether.Filter())
        with path.open("rb+") as file:
            stream.send_file(file)
            file.truncate(10)
        await asyncio.wait_for(stream.wait_closed(), 2)
        assert isinstance(stream.error, tether.NetworkError)
        assert (stream.error.phase, stream.error.errno) == ("send", errno.EIO)
        other.abort()

    tether.run(main())
