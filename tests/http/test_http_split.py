"""A request is the same however its bytes arrive (case 16)."""

from __future__ import annotations

import json

import pytest

from tests.http.live_server import LiveServer, chunked, get, post

REQUESTS = {
    "get": (get("/a?b=c", "X-Field: value", "Accept: */*"), ""),
    "length": (post(b"hello body"), "hello body"),
    "chunked": (
        chunked(b"5;ext=1\r\nhello\r\n1\r\n \r\n4\r\nbody\r\n0\r\nTrail: er\r\n\r\n"),
        "hello body",
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_split_gives_one_200(mirror: LiveServer, name: str) -> None:
    request, body = REQUESTS[name]
    whole = mirror.ask(request)
    assert whole.status == 200
    assert json.loads(whole.body)["body"] == body
    for cut in range(1, len(request)):
        with mirror.peer() as peer:
            peer.send_split(request, cut)
            reply = peer.reply()
            assert (cut, reply.status, reply.body) == (cut, 200, whole.body)
            peer.half_close()
            assert peer.rest() == b""


@pytest.mark.parametrize("name", REQUESTS)
def test_byte_by_byte(mirror: LiveServer, name: str) -> None:
    request, body = REQUESTS[name]
    with mirror.peer() as peer:
        for index in range(len(request)):
            peer.send(request[index : index + 1])
            peer.wait_until_read()
        assert json.loads(peer.reply().body)["body"] == body


def test_two_requests_in_one_connection_at_every_split(mirror: LiveServer) -> None:
    first, second = post(b"one"), get("/two")
    for cut in range(1, len(first + second)):
        with mirror.peer() as peer:
            peer.send_split(first + second, cut)
            assert json.loads(peer.reply().body)["body"] == "one"
            assert json.loads(peer.reply().body)["target"] == "/two"
