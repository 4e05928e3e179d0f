"""Where a body ends is said once and clearly, or the request is refused (case 19, smuggling)."""

from __future__ import annotations

import json

import pytest

from tests.http.live_server import LiveServer, get

SMUGGLED = get("/smuggled")


def head(*fields: str, version: str = "HTTP/1.1") -> bytes:
    lines = [f"POST / {version}", "Host: a", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


REFUSED = {
    "length and chunked": head("Content-Length: 4", "Transfer-Encoding: chunked"),
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 4"),
    "two lengths": head("Content-Length: 4", "Content-Length: 5"),
    "two equal lengths": head("Content-Length: 4", "Content-Length: 4"),
    "list of lengths": head("Content-Length: 4, 4"),
    "negative": head("Content-Length: -1"),
    "plus": head("Content-Length: +4"),
    "hexadecimal": head("Content-Length: 0x4"),
    "underscore": head("Content-Length: 1_0"),
    "exponent": head("Content-Length: 1e1"),
    "fraction": head("Content-Length: 4.0"),
    "empty": head("Content-Length:"),
    "inner space": head("Content-Length: 1 0"),
    "superscript digit": head("Content-Length: \xb2"),
    "no-break space": head("Content-Length: \xa04"),
    "next line": head("Content-Length: 4\x85"),
    "beyond 64 bits": head("Content-Length: 18446744073709551620"),
    "40 digits": head("Content-Length: " + "1" * 40),
    "two codings": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "chunked in 1.0": head("Transfer-Encoding: chunked", version="HTTP/1.0"),
    "length and chunked in 1.0": head(
        "Content-Length: 4", "Transfer-Encoding: chunked", version="HTTP/1.0"
    ),
    "space before colon": head("Content-Length : 4"),
    "tab before colon": head("Transfer-Encoding\t: chunked"),
    "folded coding": head("Transfer-Encoding: chunked\r\n , gzip"),
    "folded length": head("Content-Length: 4\r\n 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unclear_framing_is_refused_and_closes(mirror: LiveServer, name: str) -> None:
    with mirror.peer() as peer:
        peer.send(REFUSED[name] + b"0\r\n\r\n" + SMUGGLED)
        reply = peer.reply()
        assert reply.status == 400
        assert reply["connection"] == "close"
        peer.half_close()
        assert peer.rest() == b"", "what came after a broken request was taken for another one"


@pytest.mark.parametrize(
    "coding",
    [
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked;q=1",
        "xchunked",
        "chunked\x0b",
        '"chunked"',
        "\xa0chunked",
        "",
    ],
)
def test_a_coding_other_than_chunked_is_refused(mirror: LiveServer, coding: str) -> None:
    with mirror.peer() as peer:
        peer.send(head(f"Transfer-Encoding: {coding}") + b"0\r\n\r\n" + SMUGGLED)
        reply = peer.reply()
        assert reply.status in (400, 501)
        assert reply["connection"] == "close"
        peer.half_close()
        assert peer.rest() == b""


def test_the_coding_ignores_case(mirror: LiveServer) -> None:
    reply = mirror.ask(head("TRANSFER-ENCODING: Chunked") + b"2\r\nhi\r\n0\r\n\r\n")
    assert (reply.status, json.loads(reply.body)["body"]) == (200, "hi")


def test_leading_zeros_of_a_length_are_digits(mirror: LiveServer) -> None:
    reply = mirror.ask(head("Content-Length: 0004") + b"four")
    assert (reply.status, json.loads(reply.body)["body"]) == (200, "four")


def test_a_get_may_have_a_body(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(get("/", "Content-Length: 3") + b"abc" + get("/next"))
        assert json.loads(peer.reply().body)["body"] == "abc"
        assert json.loads(peer.reply().body)["target"] == "/next"
