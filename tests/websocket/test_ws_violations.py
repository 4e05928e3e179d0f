"""Every broken rule of the frame format fails the connection with 1002, at every split."""

from __future__ import annotations

import pytest

import tether
from tests.http.live_server import Serve
from tests.websocket.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Sessions,
    both_forms,
    close_frame,
    frame,
    is_alive,
)

BROKEN = {
    "unmasked text": frame(TEXT, b"hi", mask=None),
    "unmasked ping": frame(PING, b"", mask=None),
    "unmasked close": frame(CLOSE, b"\x03\xe8", mask=None),
    "reserved bit 1": frame(TEXT, b"hi", reserved=4),
    "reserved bit 2": frame(TEXT, b"hi", reserved=2),
    "reserved bit 3": frame(BINARY, b"hi", reserved=1),
    "reserved bits of a ping": frame(PING, b"hi", reserved=7),
    "reserved bit of a continuation": frame(TEXT, b"a", final=False)
    + frame(CONTINUATION, b"b", reserved=4),
    **{f"opcode {code}": frame(code, b"hi") for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"empty opcode {code}": frame(code) for code in (3, 7, 11, 15)},
    "fragmented ping": frame(PING, b"hi", final=False),
    "fragmented pong": frame(PONG, b"hi", final=False),
    "fragmented close": frame(CLOSE, b"\x03\xe8", final=False),
    "ping of 126": frame(PING, bytes(126)),
    "pong of 126": frame(PONG, bytes(126)),
    "close of 126": frame(CLOSE, b"\x03\xe8" + b"x" * 124),
    "ping of 65536": frame(PING, bytes(65536)),
    "continuation of nothing": frame(CONTINUATION, b"hi"),
    "unfinished continuation of nothing": frame(CONTINUATION, b"hi", final=False),
    "continuation after a whole message": frame(TEXT, b"a") + frame(CONTINUATION, b"b"),
    "text inside a message": frame(TEXT, b"a", final=False) + frame(TEXT, b"b"),
    "binary inside a message": frame(TEXT, b"a", final=False) + frame(BINARY, b"b", final=False),
    "length 5 in 16 bits": frame(TEXT, b"hello", length_bytes=2),
    "length 125 in 16 bits": frame(TEXT, b"x" * 125, length_bytes=2),
    "length 5 in 64 bits": frame(TEXT, b"hello", length_bytes=8),
    "length 65535 in 64 bits": frame(BINARY, b"", length_bytes=8, declared=65535),
    "the highest bit of a length": frame(BINARY, b"", length_bytes=8, declared=1 << 63),
    "all bits of a length": frame(BINARY, b"", length_bytes=8, declared=(1 << 64) - 1),
    "close of one byte": frame(CLOSE, b"\x03"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("path", both_forms())
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_1002(serve: Serve, name: str, path: str) -> None:
    sessions = Sessions(serve)
    client = sessions.client(path=path)
    client.send(BROKEN[name] + frame(TEXT, b"not read any more"))
    received = client.receive()
    if received.opcode == TEXT:
        assert received.payload == b"a"
        received = client.receive()
    assert (received.opcode, received.code) == (CLOSE, 1002)
    client.peer.half_close()
    client.expect_end()
    cause = sessions.wait_closed()
    assert isinstance(cause, tether.ProtocolError)
    assert (sessions.ws.close_code, sessions.ws.closed_by) == (1006, "local")
    assert [message for message in sessions.messages if message != "a"] == []


@pytest.mark.parametrize("name", [name for name in BROKEN if len(BROKEN[name]) < 40])
def test_a_broken_rule_is_1002_at_every_split(serve: Serve, name: str) -> None:
    sessions = Sessions(serve)
    wire = BROKEN[name]
    for cut in range(1, len(wire)):
        client = sessions.client()
        client.peer.send_split(wire, cut)
        received = client.receive()
        if received.opcode == TEXT:
            received = client.receive()
        assert (cut, received.opcode, received.code) == (cut, CLOSE, 1002)
        client.peer.half_close()
        client.expect_end()
    sessions.wait_closed(max(0, len(wire) - 1))
    assert is_alive(sessions)


VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
VALID += [3000, 3999, 4000, 4999]
INVALID = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", VALID)
def test_a_valid_code_is_answered_with_itself(serve: Serve, code: int) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(close_frame(code, b"why"))
    assert client.expect_close(code).opcode == CLOSE
    client.expect_end()
    cause = sessions.wait_closed()
    ws = sessions.ws
    assert (ws.close_code, ws.close_reason, ws.closed_by) == (code, "why", "peer")
    if code in (1000, 1001):
        assert cause is None
    else:
        assert isinstance(cause, tether.ConnectionClosed)


@pytest.mark.parametrize("code", INVALID)
def test_an_invalid_code_is_1002(serve: Serve, code: int) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(close_frame(code, b"why"))
    client.expect_failure(1002)
    assert isinstance(sessions.wait_closed(), tether.ProtocolError)


def test_a_close_without_a_code_is_answered_without_one(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(close_frame(None))
    client.expect_close(None)
    client.expect_end()
    assert sessions.wait_closed() is None
    assert (sessions.ws.close_code, sessions.ws.closed_by) == (1005, "peer")


def test_the_longest_reason(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(close_frame(3000, "é".encode() * 61 + b"x"))
    client.expect_close(3000)
    client.expect_end()
    sessions.wait_closed()
    assert sessions.ws.close_reason == "é" * 61 + "x"


@pytest.mark.parametrize("reason", [b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_a_reason_that_is_not_utf_8_is_1007(serve: Serve, reason: bytes) -> None:
    client = Sessions(serve).client()
    client.send(close_frame(1000, reason))
    client.expect_failure(1007)


def test_every_split_of_a_close(serve: Serve) -> None:
    sessions = Sessions(serve)
    wire = close_frame(4000, "grüße".encode())
    for cut in range(1, len(wire)):
        client = sessions.client()
        client.peer.send_split(wire, cut)
        client.expect_close(4000)
        client.expect_end()
    sessions.wait_closed(len(wire) - 1)


def test_nothing_after_a_close_frame_is_read(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(frame(TEXT, b"before"), close_frame(), frame(TEXT, b"after"), frame(PING, b"x"))
    client.expect(TEXT, b"before")
    client.expect_close(1000)
    client.expect_end()
    assert sessions.messages == ["before"]
