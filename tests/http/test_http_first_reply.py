"""The head of a server's reply: read however it comes, and each way to fail is told apart."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET, fromfd
from typing import Any

import pytest

import tether
from tether.http.first_reply import HEAD_LIMIT, ReplyHead, first_reply


@asynccontextmanager
async def answering(*pieces: bytes, then: str = "stay") -> AsyncIterator[tether.Stream]:
    """A stream to one who reads the question, says these pieces one by one, and stays or leaves."""

    async def serve(stream: tether.Stream) -> None:
        assert (await stream.read()).startswith(b"GET /x HTTP/1.1\r\nHost: here.test\r\n")
        for piece in pieces:
            await stream.send(piece)
            await asyncio.sleep(0)
        if then == "reset":
            with fromfd(stream.fileno(), 2, 1) as view:
                view.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            stream.abort()
        elif then == "stay":
            await stream.read()

    async with tether.listen("127.0.0.1:0", serve) as listener:
        stream = await tether.connect(listener.address)
        try:
            yield stream
        finally:
            stream.abort()


def ask(*pieces: bytes, then: str = "stay", **more: Any) -> ReplyHead:
    async def main() -> ReplyHead:
        async with answering(*pieces, then=then) as stream:
            return await first_reply(stream, "here.test", "/x", **more)

    return tether.run(main())


REPLY = b"HTTP/1.1 200 OK\r\nServer: a test\r\nX-Two:  b \r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, len(REPLY)])
def test_however_it_is_split(size: int) -> None:
    reply = ask(*(REPLY[place : place + size] for place in range(0, len(REPLY), size)))
    assert (reply.version, reply.status, reply.reason) == ("1.1", 200, "OK")
    assert reply.headers["server"] == "a test"
    assert reply.headers["x-two"] == "b"


def test_what_comes_before_and_after_it_is_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert ask(early + early + REPLY + b"body").status == 200
    assert ask(b"HTTP/1.0 404\r\n\r\n").reason == ""
    assert ask(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", is_upgrade=True).status == 101


@pytest.mark.parametrize(
    ("reply", "then", "kind", "number", "received", "said"),
    [
        (b"", "leave", tether.ConnectionClosed, None, 0, "closed .* before any byte of the reply"),
        (b"", "reset", tether.ConnectionClosed, 104, 0, "reset .* before any byte of the reply"),
        (b"HTTP/1.1 2", "leave", tether.ConnectionClosed, None, 10, "in the head of the reply"),
        (b"220 mail\r\n", "stay", tether.ProtocolError, None, None, "not HTTP: '220 mail"),
        (b"\x15\x03\x01\0\x02", "stay", tether.ProtocolError, None, None, "not HTTP, but TLS"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "stay", tether.ProtocolError, None, None, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", "stay", tether.ProtocolError, None, None, "none"),
        (b"HTTP/1.1 200 OK\r\nX:\r\n", "stay", tether.ReadTimeout, None, None, "no head"),
    ],
)
def test_each_way_to_fail(
    reply: bytes,
    then: str,
    kind: type[tether.NetworkError],
    number: int | None,
    received: int | None,
    said: str,
) -> None:
    with pytest.raises(kind, match=said) as caught:
        ask(reply, then=then, timeout=0.2)
    error = caught.value
    assert (error.phase, error.errno, error.address) == ("head", number, "127.0.0.1")
    assert getattr(error, "bytes_received", None) == received
    assert error.peer.startswith("127.0.0.1:")


def test_a_head_without_an_end_is_given_up() -> None:
    for flood in (b"X: " + b"y" * HEAD_LIMIT, b"HTTP/1.1 100 Continue\r\n\r\n" * 4000):
        with pytest.raises(tether.ProtocolError, match="over 65536 bytes") as caught:
            ask(b"HTTP/1.1 200 OK\r\n" + flood if flood.startswith(b"X") else flood)
        assert caught.value.token == "http_response_header_section_size"
        assert caught.value.again().token == caught.value.token


def test_a_stream_that_failed_before_says_why() -> None:
    async def main() -> None:
        async with answering() as stream:
            stream.abort(tether.ConnectionClosed("gone", errno=104))
            with pytest.raises(tether.ConnectionClosed) as caught:
                await first_reply(stream, "here.test", "/x")
            assert (caught.value.errno, caught.value.phase) == (104, "head")

    tether.run(main())


def test_nothing_can_be_smuggled_into_the_question() -> None:
    async def main() -> None:
        async with answering() as stream:
            for host, target in (("a\r\nb", "/"), ("a", "/ x"), ("a", "x"), ("a", "/\n")):
                with pytest.raises(ValueError, match="not to be sent"):
                    await first_reply(stream, host, target)

    tether.run(main())


def test_the_token_of_a_read_timeout_is_that_of_its_phase() -> None:
    assert tether.ReadTimeout(phase="head").token == "http_response_timeout"
    assert tether.ReadTimeout(phase="head").again().token == "http_response_timeout"
    assert tether.ReadTimeout(phase="body").token == "connection_read_timeout"
    assert tether.ReadTimeout(phase="message").again().token == "connection_read_timeout"
