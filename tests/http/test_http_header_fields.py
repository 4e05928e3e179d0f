"""Header fields as they come in: names, values, line ends, Host (case 18)."""

from __future__ import annotations

import json

import pytest

from tests.http.live_server import LiveServer, get

START = b"GET / HTTP/1.1\r\nHost: a\r\n"

REFUSED = {
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a field": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare LF as the empty line": START + b"\n",
    "bare CR in a value": START + b"X: a\rb\r\n\r\n",
    "bare CR as line end": START + b"X: a\rY: b\r\n\r\n",
    "two CR": START + b"X: a\r\r\n\r\n",
    "folded with space": START + b"X: a\r\n b\r\n\r\n",
    "folded with tab": START + b"X: a\r\n\tb\r\n\r\n",
    "folded first line": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "space before the colon": START + b"X : a\r\n\r\n",
    "tab before the colon": START + b"X\t: a\r\n\r\n",
    "no colon": START + b"X\r\n\r\n",
    "no name": START + b": a\r\n\r\n",
    "space in the name": START + b"X Y: a\r\n\r\n",
    "NUL in the name": START + b"X\0: a\r\n\r\n",
    "octet above 127 in the name": START + b"X\xe9: a\r\n\r\n",
    "parenthesis in the name": START + b"X(: a\r\n\r\n",
    "NUL in the value": START + b"X: a\0b\r\n\r\n",
    "BEL in the value": START + b"X: a\x07\r\n\r\n",
    "escape in the value": START + b"X: a\x1b[2J\r\n\r\n",
    "DEL in the value": START + b"X: a\x7f\r\n\r\n",
    "vertical tab in the value": START + b"X: a\x0b\r\n\r\n",
    "form feed in the value": START + b"X: a\x0c\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two equal Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nhOsT: a\r\n\r\n",
    "two Hosts in 1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_field_is_400_and_closes(mirror: LiveServer, name: str) -> None:
    with mirror.peer() as peer:
        peer.send(REFUSED[name])
        reply = peer.reply()
        assert (reply.status, reply["connection"]) == (400, "close")
        peer.half_close()
        assert peer.rest() == b""


@pytest.mark.parametrize("name", ["bare LF after a field", "bare CR in a value", "two CR"])
def test_a_broken_line_end_is_400_at_every_split(mirror: LiveServer, name: str) -> None:
    request = REFUSED[name]
    for cut in range(1, len(request)):
        with mirror.peer() as peer:
            peer.send_split(request, cut)
            assert (cut, peer.reply().status) == (cut, 400)


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "user@a", "a,b", "a:b:c", "a:port", "a?b", "a#b", "[::1", "a\\b", "\xe9"]
)
def test_an_invalid_host_is_400(mirror: LiveServer, host: str) -> None:
    # RFC 9112, section 3.2: "a Host header field with an invalid field value".
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")
    assert mirror.ask(request).status == 400


@pytest.mark.parametrize("host", ["", "a", "a.b:80", "127.0.0.1:8080", "[::1]:80", "a-b_c~d", "a:"])
def test_a_valid_host_is_taken(mirror: LiveServer, host: str) -> None:
    assert mirror.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).status == 200


def test_names_are_lower_case_and_values_are_trimmed(mirror: LiveServer) -> None:
    reply = mirror.ask(START + b"X-One: \t two words \t \r\nx-two:\r\nX-ONE:3\r\n\r\n")
    assert json.loads(reply.body)["fields"] == [
        ["host", "a"],
        ["x-one", "two words"],
        ["x-two", ""],
        ["x-one", "3"],
    ]


def test_only_space_and_tab_are_trimmed(mirror: LiveServer) -> None:
    reply = mirror.ask(START + b"X: \xa0a\x85\r\n\r\n")
    assert json.loads(reply.body)["fields"][1] == ["x", "\xa0a\x85"]


def test_octets_above_127_are_kept_as_they_are(mirror: LiveServer) -> None:
    reply = mirror.ask(START + b"X: \xc3\xa9\xff\r\n\r\n")
    assert json.loads(reply.body)["fields"][1] == ["x", "\xc3\xa9\xff"]


def test_http_1_0_needs_no_host(mirror: LiveServer) -> None:
    assert mirror.ask(b"GET / HTTP/1.0\r\n\r\n").status == 200


def test_a_long_line_of_one_field_is_fine(mirror: LiveServer) -> None:
    reply = mirror.ask(get("/", "X: " + "y" * 20_000))
    assert len(json.loads(reply.body)["fields"][1][1]) == 20_000
