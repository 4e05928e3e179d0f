"""Expect: 100-continue and others (case 21)."""

from __future__ import annotations

import json

import pytest

from tests.http.live_server import LiveServer, Serve, get, mirror_app


def expecting(*fields: str, version: str = "HTTP/1.1", expectation: str = "100-continue") -> bytes:
    lines = [f"POST / {version}", "Host: a", *fields, f"Expect: {expectation}", "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
def test_continue_is_said_before_the_body_comes(mirror: LiveServer, expectation: str) -> None:
    with mirror.peer() as peer:
        peer.send(expecting("Content-Length: 2", expectation=expectation))
        assert peer.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(b"hi")
        assert json.loads(peer.reply().body)["body"] == "hi"


def test_continue_is_said_before_a_chunked_body(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(expecting("Transfer-Encoding: chunked"))
        assert peer.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(b"2\r\nhi\r\n0\r\n\r\n")
        assert json.loads(peer.reply().body)["body"] == "hi"


def test_continue_at_every_split(mirror: LiveServer) -> None:
    request = expecting("Content-Length: 2")
    for cut in range(1, len(request)):
        with mirror.peer() as peer:
            peer.send_split(request, cut)
            assert peer.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            peer.send(b"hi")
            assert peer.reply().status == 200


@pytest.mark.parametrize("fields", [["Content-Length: 0"], []])
def test_without_a_body_nothing_is_continued(mirror: LiveServer, fields: list[str]) -> None:
    with mirror.peer() as peer:
        peer.send(expecting(*fields))
        assert peer.reply().status == 200


def test_a_body_that_came_already_needs_no_continue(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(expecting("Content-Length: 2") + b"hi")
        assert peer.reply().status == 200


def test_http_1_0_is_not_told_to_continue(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(expecting("Content-Length: 2", version="HTTP/1.0"))
        peer.wait_until_read()
        peer.send(b"hi")
        assert peer.reply().status == 200


def test_a_length_over_the_limit_is_413_before_the_body(serve: Serve) -> None:
    server = serve(mirror_app(), body_limit=100)
    with server.peer() as peer:
        peer.send(expecting("Content-Length: 101"))
        reply = peer.reply()
        assert (reply.status, reply["connection"]) == (413, "close")
        peer.half_close()
        assert peer.rest() == b""


@pytest.mark.parametrize("expectation", ["200-ok", "100-continue, x", "", "101-continue"])
def test_another_expectation_is_417(mirror: LiveServer, expectation: str) -> None:
    assert mirror.ask(expecting("Content-Length: 2", expectation=expectation)).status == 417
    assert mirror.ask(get()).status == 200
