"""The grammar of chunked bodies (case 20)."""

from __future__ import annotations

import json

import pytest

from tests.http.live_server import LiveServer, Serve, chunked, get, mirror_app

REFUSED = {
    "0x prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "extension without size": b";a=b\r\nhello\r\n0\r\n\r\n",
    "17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "17 digits that overflow": b"f0000000000000005\r\nhello\r\n0\r\n\r\n",
    "16 digits": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "not hexadecimal": b"g\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "leading space": b" 5\r\nhello\r\n0\r\n\r\n",
    "inner space": b"5 5\r\nhello\r\n0\r\n\r\n",
    "fullwidth digit": "\uff15\r\nhello\r\n0\r\n\r\n".encode(),
    "latin superscript": b"\xb2\r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "data longer than said": b"5\r\nhello!\r\n0\r\n\r\n",
    "no CRLF after data": b"5\r\nhello0\r\n\r\n",
    "bare LF after data": b"5\r\nhello\n0\r\n\r\n",
    "other octets after data": b"5\r\nhelloXX0\r\n\r\n",
    "bare LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "bare CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "extension without a name": b"5;=b\r\nhello\r\n0\r\n\r\n",
    "extension with an open quote": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "endless extension": b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "trailer that is folded": b"0\r\na: b\r\n c\r\n\r\n",
    "trailer without colon": b"0\r\nabc\r\n\r\n",
    "trailer without name": b"0\r\n: b\r\n\r\n",
    "trailer with space before the colon": b"0\r\na : b\r\n\r\n",
    "trailer with NUL": b"0\r\na: \0\r\n\r\n",
    "trailer with bare LF": b"0\r\na: b\n\r\n",
    "trailer with bare CR": b"0\r\na: b\rc\r\n\r\n",
    "bare LF at the end": b"0\r\n\n",
    "no empty line at the end": b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_chunk_is_refused_and_closes(mirror: LiveServer, name: str) -> None:
    with mirror.peer() as peer:
        peer.send(chunked(REFUSED[name]) + get("/smuggled"))
        reply = peer.reply()
        assert reply.status == 400
        peer.half_close()
        assert peer.rest() == b""


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_chunk_is_refused_byte_by_byte(mirror: LiveServer, name: str) -> None:
    head, body = chunked(b""), REFUSED[name]
    with mirror.peer() as peer:
        peer.send(head)
        peer.wait_until_read()
        for index in range(min(len(body), 400)):
            peer.send(body[index : index + 1])
            peer.wait_until_read()
        assert peer.reply().status == 400


def test_trailers_never_merge_into_the_headers(mirror: LiveServer) -> None:
    reply = mirror.ask(
        chunked(b"2\r\nhi\r\n0\r\nX-Secret: 1\r\nHost: evil\r\nContent-Length: 99\r\n\r\n")
    )
    seen = json.loads(reply.body)
    assert seen["fields"] == [["host", "a"], ["transfer-encoding", "chunked"]]
    assert seen["body"] == "hi"


@pytest.mark.parametrize("extension", [b";a", b";a=b", b';a="b c"', b";a=b;c=d"])
def test_an_extension_is_ignored(mirror: LiveServer, extension: bytes) -> None:
    reply = mirror.ask(chunked(b"2" + extension + b"\r\nhi\r\n0" + extension + b"\r\n\r\n"))
    assert json.loads(reply.body)["body"] == "hi"


def test_sizes_are_hexadecimal_in_either_case(mirror: LiveServer) -> None:
    reply = mirror.ask(chunked(b"a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n"))
    assert json.loads(reply.body)["body"] == "0123456789" * 2


def test_a_chunk_that_only_declares_too_much_is_refused_before_it_comes(serve: Serve) -> None:
    server = serve(mirror_app(), body_limit=100)
    with server.peer() as peer:
        peer.send(chunked(b"65\r\n"))
        assert peer.reply().status == 413


def test_many_small_chunks_are_counted_together(serve: Serve) -> None:
    server = serve(mirror_app(), body_limit=100)
    with server.peer() as peer:
        peer.send(chunked(b""))
        for _ in range(100):
            peer.send(b"1\r\nx\r\n")
        peer.wait_until_read()
        peer.send(b"1\r\nx\r\n")
        assert peer.reply().status == 413


def test_the_number_of_chunks_is_bounded(serve: Serve) -> None:
    server = serve(mirror_app(), body_limit=10_000_000)
    with server.peer() as peer:
        peer.send(chunked(b"1\r\nx\r\n" * 70_000))
        assert peer.reply().status == 413


def test_trailers_are_bounded_across_segments(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(chunked(b"0\r\n"))
        for number in range(10):
            peer.send(b"trailer-%d: " % number + b"x" * 1000 + b"\r\n")
            peer.wait_until_read()
        assert peer.reply().status == 431
