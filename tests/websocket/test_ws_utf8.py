"""Text is UTF-8, judged at the first bad octet, even inside an unfinished frame (case 37)."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.http.live_server import Serve
from tests.websocket.raw_websocket import CONTINUATION, TEXT, Client, Sessions, both_forms, frame

VALID = {
    "ascii": b"plain",
    "two octets": "\u0080\u07ff".encode(),
    "three octets": "\u0800\ud7ff\ue000\uffff".encode(),
    "four octets": "\U00010000\U0010ffff".encode(),
    "non-characters": "\ufffe\uffff\U0001fffe".encode(),
    "a byte order mark": "\ufeffx".encode(),
    "NUL": b"a\0b",
    "mixed": "Hello-µ@ßöäüàá-UTF-8!! κόσμε \U0001f600".encode(),
}
# What is invalid, and where the first octet stands that shows it.
INVALID = {
    "lone continuation": (b"ab\x80", 2),
    "octet ff": (b"\xff", 0),
    "octet fe": (b"abc\xfe", 3),
    "overlong slash of two": (b"\xc0\xaf", 0),
    "overlong c1": (b"\xc1\xbf", 0),
    "overlong of three": (b"\xe0\x9f\xbf", 1),
    "overlong of four": (b"\xf0\x8f\xbf\xbf", 1),
    "five octets": (b"\xf8\x88\x80\x80\x80", 0),
    "surrogate": (b"\xed\xa0\x80", 1),
    "last surrogate": (b"x\xed\xbf\xbf", 2),
    "above 10ffff": (b"\xf4\x90\x80\x80", 1),
    "f5": (b"\xf5\x80\x80\x80", 0),
    "cut short by ascii": (b"\xe2\x82x", 2),
    "cut short by a new start": (b"\xe2\x82\xe2\x82\xac", 2),
    "case 6.4.3 of Autobahn": (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64",
        12,
    ),
    "after a long run of ascii": (b"x" * 1000 + b"\x80", 1000),
}


@pytest.mark.parametrize("path", both_forms())
@pytest.mark.parametrize("name", VALID)
def test_valid_text_in_fragments_of_every_size(serve: Serve, name: str, path: str) -> None:
    text = VALID[name]
    client = Sessions(serve).client(path=path)
    client.send(frame(TEXT, text))
    client.expect(TEXT, text)
    for size in range(1, len(text)):
        pieces = [text[begin : begin + size] for begin in range(0, len(text), size)]
        client.send(frame(TEXT, b"", final=False))
        client.send(*[frame(CONTINUATION, piece, final=False) for piece in pieces])
        client.send(frame(CONTINUATION))
        client.expect(TEXT, text)


@pytest.mark.parametrize("name", INVALID)
def test_a_whole_message_that_is_not_utf_8_is_1007(serve: Serve, name: str) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(frame(TEXT, INVALID[name][0]))
    client.expect_failure(1007)
    assert sessions.messages == []


@pytest.mark.parametrize("name", INVALID)
def test_the_first_bad_octet_of_an_unfinished_frame_is_enough(serve: Serve, name: str) -> None:
    # The frame says it is longer, and the rest never comes.
    text, bad = INVALID[name]
    client = Sessions(serve).client()
    wire = frame(TEXT, text + b"x" * 40)
    head = len(wire) - len(text) - 40
    if bad:
        client.send(wire[: head + bad])
        client.peer.wait_until_read()
        assert client.server.call(lambda: client.server.server.sessions) == 1
    client.send(wire[head + bad : head + bad + 1] if bad else wire[: head + 1])
    client.expect_failure(1007)


@pytest.mark.parametrize("name", INVALID)
def test_the_first_bad_octet_of_a_fragment_is_enough(serve: Serve, name: str) -> None:
    text, bad = INVALID[name]
    client = Sessions(serve).client()
    client.send(frame(TEXT, text[: bad + 1], final=False))
    client.expect_failure(1007)


@pytest.mark.parametrize("name", [name for name in INVALID if len(INVALID[name][0]) < 30])
def test_invalid_text_at_every_split(serve: Serve, name: str) -> None:
    sessions = Sessions(serve)
    wire = frame(TEXT, INVALID[name][0])
    for cut in range(1, len(wire)):
        client = sessions.client()
        client.peer.send_split(wire, cut)
        client.expect_failure(1007)
    sessions.wait_closed(len(wire) - 1)


@pytest.mark.parametrize("text", [b"\xc3", b"abc\xe2\x82", b"\xf0\x9f\x98"])
def test_a_text_that_ends_inside_a_character_is_1007(serve: Serve, text: bytes) -> None:
    sessions = Sessions(serve)
    client = sessions.client()
    client.send(frame(TEXT, text))
    client.expect_failure(1007)
    client = sessions.client()
    client.send(frame(TEXT, text, final=False), frame(CONTINUATION))
    client.expect_failure(1007)


def test_binary_may_hold_anything(serve: Serve) -> None:
    client = Sessions(serve).client()
    client.send(frame(2, b"\xff\xfe\x80"))
    client.expect(2, b"\xff\xfe\x80")


# The octet behind it may look as if it mended the character.
@pytest.mark.parametrize(("bad", "behind"), [(b"\xff", b"y"), (b"\xc3\x28", b"\x80")])
def test_nothing_of_a_long_frame_is_delivered_after_its_bad_octet(
    serve: Serve, bad: bytes, behind: bytes
) -> None:
    app = tether.App()
    gate = asyncio.Event()
    messages: list[str | bytes] = []
    ended: list[BaseException | None] = []

    @app.websocket("/ws")
    async def session(ws: tether.WebSocket) -> None:
        ws.on_close(ended.append)
        await gate.wait()
        async for message in ws:
            messages.append(message)

    server = serve(app)
    client = Client(server.peer())
    whole = frame(TEXT, b"y" * 100_000, mask=b"\0\0\0\0")
    client.text("before it")
    client.send(whole[:20])
    client.peer.wait_until_read()  # what comes now goes straight into the message
    client.send(bad)
    client.peer.wait_until_read()
    # As many octets as the frame needs, and as many again as broke it: who forgot that it is broken
    # would find a whole message here.
    client.send(behind, whole[21 + len(bad) :], b"y" * len(bad))
    client.peer.wait_until_read()
    server.call(gate.set)
    client.expect_failure(1007)
    server.until(lambda: bool(ended))
    assert messages == ["before it"]
