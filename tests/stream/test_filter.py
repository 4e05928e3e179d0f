"""Filters on a stream: what is sent passes `encode`, what comes `decode`, however they stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

import tether
from tests.certificates import NAME, client_context, server_context

Streams = Callable[[], AbstractAsyncContextManager[tuple[tether.Stream, tether.Stream]]]
MESSAGE = bytes(range(256)) * 1500


@asynccontextmanager
async def in_memory() -> AsyncIterator[tuple[tether.Stream, tether.Stream]]:
    near, far = tether.pair()
    async with near, far:
        yield near, far


@asynccontextmanager
async def over_sockets() -> AsyncIterator[tuple[tether.Stream, tether.Stream]]:
    accepted: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()
    async with (
        tether.listen("127.0.0.1:0", accepted.set_result) as listener,
        await tether.connect(listener.address) as near,
    ):
        yield near, await accepted


@pytest.fixture(params=[in_memory, over_sockets])
def two(request: pytest.FixtureRequest) -> Streams:
    streams: Streams = request.param
    return streams


class Xor(tether.Filter):
    """The same both ways: twice is nothing."""

    def __init__(self, key: int = 0x5A) -> None:
        self.table = bytes(number ^ key for number in range(256))

    def encode(self, data: bytes) -> bytes:
        return data.translate(self.table)

    decode = encode


class Pieces(tether.Filter):
    """Makes many pieces, empty ones too."""

    def encode(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]
            yield b""

    decode = encode


class Held(tether.Filter):
    """Holds back everything until it is flushed."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.steps: list[str] = []

    def encode(self, data: bytes) -> bytes:
        self.held.append(data)
        self.steps.append("encode")
        return b""

    def flush(self) -> bytes:
        data = b"".join(self.held)
        self.held.clear()
        self.steps.append("flush")
        return data

    def end(self) -> bytes:
        self.steps.append("end")
        return b"the end"

    def eof(self) -> bytes:
        return b", and eof"


@pytest.mark.parametrize("kind", [tether.Filter, Xor, Pieces, tether.filters.Gzip])
@pytest.mark.parametrize("depth", [1, 3])
def test_bytes_pass_whole_and_in_order(two: Streams, kind: type[tether.Filter], depth: int) -> None:
    async def main() -> None:
        async with two() as (near, far):
            for _ in range(depth):
                near.push(kind())
                far.push(kind())
            for sender, receiver in ((near, far), (far, near)):
                assert sender.send(MESSAGE)
                assert await receiver.readexactly(len(MESSAGE)) == MESSAGE
            near.close()
            assert await far.read() == b""

    tether.run(main())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("order", ["ft", "tf", "tt", "ftf", "tft", "fttf"])
def test_filters_and_tls_stand_on_each_other(two: Streams, order: str) -> None:
    async def main() -> None:
        async with two() as (near, far):
            for kind in order:
                if kind == "f":
                    near.push(Xor())
                    far.push(Xor())
                else:
                    await asyncio.gather(
                        near.start_tls(client_context(), server_hostname=NAME),
                        far.start_tls(server_context(), server_side=True),
                    )
            for sender, receiver in ((near, far), (far, near)):
                assert sender.send(MESSAGE)
                assert await receiver.readexactly(len(MESSAGE)) == MESSAGE
            near.close()
            assert await far.read() == b""
            far.close()
            await asyncio.wait_for(near.wait_closed(), 2)
            assert (near.error, far.error) == (None, None)

    tether.run(main())


def test_what_was_sent_and_received_before() -> None:
    async def main() -> None:
        async with in_memory() as (near, far):
            near.send(b"plain")
            near.push(Xor())
            near.send(b"hidden")
            assert await far.readexactly(5) == b"plain"
            far.push(Xor())  # the rest has come by now, and nobody took it
            assert await far.readexactly(6) == b"hidden"

    tether.run(main())


def test_an_end_of_file_that_came_before() -> None:
    async def main() -> None:
        async with in_memory() as (near, far):
            near.push(Xor())
            near.send(b"hidden")
            near.close()
            await near.wait_closed()
            while not far.bytes_received:
                await asyncio.sleep(0)
            far.push(Xor())
            assert await far.readexactly(6) == b"hidden"
            assert await far.read() == b""

    tether.run(main())


def test_what_a_filter_holds_back_is_flushed_in_the_same_pass_and_ended_once() -> None:
    async def main() -> None:
        async with in_memory() as (near, far):
            held = near.push(Held())
            far.push(Held())
            near.send(b"a")
            near.send(b"b")
            assert await far.readexactly(2) == b"ab"
            assert held.steps == ["encode", "flush"]
            near.close()
            assert await far.readexactly(16) == b"the end, and eof"
            assert await far.read() == b""
            assert held.steps == ["encode", "flush", "end"]

    tether.run(main())


def test_a_protocol_runs_over_a_filter() -> None:
    async def main() -> None:
        app = tether.App()

        @app.get("/")
        def root(request: tether.Request) -> str:
            return "hello"

        from tether.app.server import serving

        async with serving(app, "127.0.0.1:0") as server:
            near, far = tether.pair(listener=server)
            near.push(tether.filters.Gzip())
            far.push(tether.filters.Gzip())
            near.send(b"GET / HTTP/1.0\r\n\r\n")
            reply = b""
            while data := await near.read():
                reply += data
            assert reply.endswith(b"\r\n\r\nhello")
            near.close()

    tether.run(main())


def test_what_may_be_pushed() -> None:
    async def main() -> None:
        async with in_memory() as (near, far):
            one = near.push(Xor())
            with pytest.raises(RuntimeError, match="already"):
                far.push(one)
            with pytest.raises(TypeError):
                far.push("rot13")  # type: ignore[type-var]
            far.close()
            with pytest.raises(tether.Closed):
                far.push(Xor())

    tether.run(main())


def test_a_file_passes_the_filter(two: Streams, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(MESSAGE)

    async def main() -> None:
        async with two() as (near, far):
            near.push(Xor())
            far.push(Xor())
            near.send(b"before")
            with path.open("rb") as file:
                near.send_file(file)
            near.close()
            assert await far.readexactly(len(MESSAGE) + 6) == b"before" + MESSAGE

    tether.run(main())
