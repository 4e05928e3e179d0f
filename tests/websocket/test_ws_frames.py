"""Messages, fragments, control frames between them, and lengths (cases 36 and 39)."""

from __future__ import annotations

import pytest

from tests.http.live_server import Serve
from tests.websocket.raw_websocket import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Sessions,
    both_forms,
    frame,
    is_alive,
)


@pytest.fixture(params=both_forms())
def path(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.mark.parametrize(
    "size", [0, 1, 2, 7, 8, 9, 125, 126, 127, 2047, 2048, 65535, 65536, 1 << 20]
)
def test_messages_of_every_length_form(serve: Serve, path: str, size: int) -> None:
    sessions = Sessions(serve)
    client = sessions.client(path=path)
    payload = (bytes(range(256)) * (size // 256 + 1))[:size]
    text = payload.replace(b"\x80", b"x").decode("latin-1").encode("ascii", "replace")
    client.send(frame(BINARY, payload))
    client.expect(BINARY, payload)
    client.send(frame(TEXT, text))
    client.expect(TEXT, text)
    client.leave()
    assert sessions.messages == [payload, text.decode()]


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
def test_every_mask(serve: Serve, mask: bytes) -> None:
    client = Sessions(serve).client()
    for size in range(40):
        payload = bytes(range(size))
        client.send(frame(BINARY, payload, mask=mask))
        client.expect(BINARY, payload)


SEQUENCES: dict[str, tuple[list[bytes], list[tuple[int, bytes]]]] = {
    "fragments with pings between": (
        [
            frame(TEXT, "f\u00fcr ".encode()[:2], final=False),
            frame(PING, b"one"),
            frame(CONTINUATION, "f\u00fcr ".encode()[2:], final=False),
            frame(CONTINUATION, b"", final=False),
            frame(PING),
            frame(CONTINUATION, b"all"),
        ],
        [(PONG, b"one"), (PONG, b""), (TEXT, "f\u00fcr all".encode())],
    ),
    "binary fragments": (
        [frame(BINARY, b"\xff", final=False), frame(CONTINUATION, b"\xfe\0")],
        [(BINARY, b"\xff\xfe\0")],
    ),
    "empty fragments": (
        [
            frame(TEXT, b"", final=False),
            frame(CONTINUATION, b"", final=False),
            frame(CONTINUATION, b""),
        ],
        [(TEXT, b"")],
    ),
    "unasked pongs": (
        [frame(PONG), frame(PONG, b"x" * 125), frame(TEXT, b"a")],
        [(TEXT, b"a")],
    ),
    "a ping of 125 bytes": ([frame(PING, bytes(125))], [(PONG, bytes(125))]),
    "several messages": (
        [frame(TEXT, b"a"), frame(BINARY, b"b" * 130), frame(TEXT, b""), frame(PING, b"p")],
        [(TEXT, b"a"), (BINARY, b"b" * 130), (TEXT, b""), (PONG, b"p")],
    ),
    "several fragmented messages": (
        [
            frame(TEXT, b"a", final=False),
            frame(CONTINUATION, b"b"),
            frame(BINARY, b"c", final=False),
            frame(CONTINUATION, b"d"),
        ],
        [(TEXT, b"ab"), (BINARY, b"cd")],
    ),
}


def in_order(expected: list[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
    # Pongs go out at once; a task answers messages a moment later.
    return [
        [answer for answer in expected if answer[0] == PONG],
        [answer for answer in expected if answer[0] != PONG],
    ]


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_at_every_split(serve: Serve, path: str, name: str) -> None:
    frames, expected = SEQUENCES[name]
    wire = b"".join(frames)
    sessions = Sessions(serve)
    client = sessions.client(path=path)
    for cut in range(len(wire)):
        client.peer.send_split(wire, cut)
        answers = [client.receive() for _ in expected]
        found = [(answer.opcode, answer.payload) for answer in answers]
        assert (cut, in_order(found)) == (cut, in_order(expected))
        if path == "/ws":
            assert found == expected
    client.leave()


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_byte_by_byte(serve: Serve, path: str, name: str) -> None:
    frames, expected = SEQUENCES[name]
    wire = b"".join(frames)
    client = Sessions(serve).client(path=path)
    for index in range(len(wire)):
        client.peer.send(wire[index : index + 1])
        client.peer.wait_until_read()
    found = [(answer.opcode, answer.payload) for answer in (client.receive() for _ in expected)]
    assert in_order(found) == in_order(expected)


def test_a_pong_goes_out_before_the_message_is_whole(serve: Serve) -> None:
    client = Sessions(serve).client()
    client.send(frame(TEXT, b"a", final=False), frame(PING, b"now"))
    client.expect(PONG, b"now")
    client.send(frame(CONTINUATION, b"b"))
    client.expect(TEXT, b"ab")


def test_a_length_of_2_62_is_1009_before_anything_is_buffered(serve: Serve) -> None:
    sessions = Sessions(serve)
    for cut in range(14):
        client = sessions.client()
        wire = frame(BINARY, b"", declared=1 << 62)
        client.peer.send_split(wire, cut)
        client.expect_failure(1009)
    assert is_alive(sessions)


@pytest.mark.parametrize("declared", [101, 1 << 16, (1 << 31) + 5, (1 << 32) + 5, (1 << 63) - 1])
def test_a_declared_length_over_the_limit_is_1009(serve: Serve, declared: int) -> None:
    client = Sessions(serve, message_limit=100).client()
    client.send(frame(TEXT, b"", declared=declared))
    client.expect_failure(1009)


def test_the_message_limit_is_exact(serve: Serve, path: str) -> None:
    sessions = Sessions(serve, message_limit=100)
    client = sessions.client(path=path)
    client.send(frame(BINARY, bytes(100)))
    client.expect(BINARY, bytes(100))
    client.send(frame(BINARY, bytes(60), final=False), frame(CONTINUATION, bytes(40)))
    client.expect(BINARY, bytes(100))
    client.send(frame(BINARY, bytes(60), final=False), frame(CONTINUATION, bytes(41)))
    client.expect_failure(1009)
    assert len(sessions.messages) == 2


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_endless_fragments_are_1009(serve: Serve, payload: bytes) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(frame(TEXT, payload, final=False), frame(CONTINUATION, payload, final=False) * 1100)
    client.expect_failure(1009)
    assert sessions.messages == []


def test_1024_fragments_are_allowed_and_counted_per_message(serve: Serve) -> None:
    client = Sessions(serve).client()
    for _ in range(2):
        client.send(
            frame(BINARY, b"x", final=False),
            frame(CONTINUATION, b"x", final=False) * 1022,
            frame(CONTINUATION, b"x"),
        )
        client.expect(BINARY, b"x" * 1024)


def test_fragments_without_end_hit_the_size_limit(serve: Serve) -> None:
    client = Sessions(serve).client()
    client.send(frame(BINARY, bytes(60_000), final=False))
    client.send(frame(CONTINUATION, bytes(60_000), final=False) * 17)
    client.expect_failure(1009)


def test_a_flood_of_pings_from_one_who_does_not_read_is_bounded(serve: Serve) -> None:
    sessions = Sessions(serve)
    client = sessions.client(path="/async", receive_buffer=4096)
    flood = frame(PING, b"x" * 125) * 500
    most = 0
    for _ in range(100):
        client.send(flood)
        client.peer.wait_until_read()
        most = max(most, sessions.server.call(lambda: sessions.ws.buffered))
    assert most <= 64 * 1024 + 8192
    client.peer.reset()
    sessions.wait_closed()
