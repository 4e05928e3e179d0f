"""The request line: method, target, version (case 18)."""

from __future__ import annotations

import json

import pytest

from tests.http.live_server import LiveServer, get


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1 ",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"GET / HTTP/1.1\t",
        b"GET /",
        b"GET",
        b"GET HTTP/1.1",
        b"GET / ",
        b"GET / HTTP",
        b"GET / HTTP/",
        b"GET / HTTP/1",
        b"GET / HTTP/1.",
        b"GET / HTTP/.1",
        b"GET / HTTP/11.1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/1,1",
        b"GET / http/1.1",
        b"GET / HTTPS/1.1",
        b"GET / HTTP/\xb9.1",
        b"GET / HTTP/1.\xb9",
        b"GET / HTTP /1.1",
        b"G(T / HTTP/1.1",
        b"G\xc9T / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET /a\rb HTTP/1.1",
        b"GET relative HTTP/1.1",
        b"GET /a#fragment HTTP/1.1",
        b"GET * HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2",
        b"{}",
        b"\x00",
    ],
)
def test_a_broken_request_line_is_400(mirror: LiveServer, line: bytes) -> None:
    with mirror.peer() as peer:
        peer.send(line + b"\r\nHost: a\r\n\r\n" + get("/smuggled"))
        reply = peer.reply()
        assert (reply.status, reply["connection"]) == (400, "close")
        peer.half_close()
        assert peer.rest() == b""


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/9.9", "HTTP/2.1"])
def test_another_major_version_is_505(mirror: LiveServer, version: str) -> None:
    reply = mirror.ask(get(version=version))
    assert (reply.status, reply["connection"]) == (505, "close")


def test_a_later_minor_version_is_taken_as_1_1(mirror: LiveServer) -> None:
    assert mirror.ask(get(version="HTTP/1.2")).status == 200


@pytest.mark.parametrize("line", [b"PRI * HTTP/2.0", b"GET / HTTP/2.0"])
def test_the_preface_of_http_2_is_505(mirror: LiveServer, line: bytes) -> None:
    assert mirror.ask(line + b"\r\n\r\nSM\r\n\r\n").status == 505


def test_the_absolute_form_is_understood(mirror: LiveServer) -> None:
    reply = mirror.ask(get("http://a/x?y=z"))
    assert json.loads(reply.body)["rest"] == "x"


def test_empty_lines_before_a_request_are_ignored(mirror: LiveServer) -> None:
    # RFC 9112, section 2.2: at least one CRLF before the request line.
    with mirror.peer() as peer:
        peer.send(b"\r\n" + get("/first") + b"\r\n" + get("/second"))
        assert json.loads(peer.reply().body)["rest"] == "first"
        assert json.loads(peer.reply().body)["rest"] == "second"


def test_garbage_is_refused_at_its_first_octet(mirror: LiveServer) -> None:
    # Without waiting for a line that may never end.
    with mirror.peer() as peer:
        peer.send(b"\x80")
        assert peer.reply().status == 400
