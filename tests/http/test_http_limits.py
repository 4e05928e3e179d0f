"""Limits on heads and bodies, counted across segments; a refusal can be read (case 21)."""

from __future__ import annotations

import json
import threading

import pytest

from tests.http.live_server import LiveServer, Peer, Serve, chunked, get, mirror_app, post


def pour(peer: Peer, data: bytes, times: int) -> threading.Thread:
    """Send on and on from a thread; an answer may end it."""

    def run() -> None:
        try:
            for _ in range(times):
                peer.socket.sendall(data)
        except OSError:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_head_over_the_limit_is_431(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(get("/", *[f"X-{number}: {'y' * 1000}" for number in range(40)]))
        reply = peer.reply()
        assert (reply.status, reply["connection"]) == (431, "close")


def test_a_head_of_10_mib_is_431_while_it_still_comes(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        thread = pour(peer, b"y" * 65536, 160)
        assert peer.reply().status == 431
        thread.join()
        assert peer.rest() == b""


def test_the_head_limit_counts_across_segments(serve: Serve) -> None:
    server = serve(mirror_app(), head_limit=1000)
    with server.peer() as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        peer.wait_until_read()
        for number in range(100):
            peer.send(b"X-%02d: %s\r\n" % (number, b"y" * 10))
            peer.wait_until_read()
        assert peer.reply().status == 431


@pytest.mark.parametrize(("fields", "status"), [(99, 200), (100, 431)])
def test_the_number_of_fields_is_bounded(mirror: LiveServer, fields: int, status: int) -> None:
    # Host is the hundredth.
    request = get("/", *[f"X-{number}: y" for number in range(fields)])
    assert mirror.ask(request).status == status


def test_the_number_of_fields_counts_across_segments(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(100):
            peer.send(b"X: y\r\n")
            peer.wait_until_read()
        peer.send(b"\r\n")
        assert peer.reply().status == 431


@pytest.mark.parametrize(("size", "status"), [(8 * 1024, 200), (8 * 1024 + 1, 414)])
def test_the_target_is_bounded(mirror: LiveServer, size: int, status: int) -> None:
    assert mirror.ask(get("/" + "x" * (size - 1))).status == status


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
def test_the_body_limit_is_exact(serve: Serve, size: int, status: int) -> None:
    server = serve(mirror_app(), body_limit=100)
    assert server.ask(post(b"x" * size)).status == status
    assert server.ask(chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size))).status == status


def test_413_can_be_read_while_the_client_still_uploads(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
        thread = pour(peer, b"y" * 65536, 300)
        reply = peer.reply()
        assert (reply.status, reply["connection"]) == (413, "close")
        thread.join()
        assert peer.rest() == b""


def test_413_of_a_chunked_upload_can_be_read_while_it_still_comes(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(chunked(b""))
        thread = pour(peer, b"10000\r\n" + b"y" * 65536 + b"\r\n", 300)
        assert peer.reply().status == 413
        thread.join()
        assert peer.rest() == b""


def test_a_client_that_uploads_for_ever_is_cut_off(mirror: LiveServer) -> None:
    with mirror.peer() as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n")
        assert peer.reply().status == 413
        # It goes on sending; the server does not listen for ever.
        thread = pour(peer, b"y" * 65536, 1_000_000)
        thread.join(10)
        assert not thread.is_alive()
        mirror.until(mirror.is_idle)


def test_a_large_body_comes_whole(mirror: LiveServer) -> None:
    body = bytes(range(97, 123)) * 40_000
    reply = mirror.ask(post(body))
    assert json.loads(reply.body)["body"].encode() == body


def test_a_server_that_refused_goes_on(mirror: LiveServer) -> None:
    for request in (get("/", *["X: y"] * 101), get("/" + "x" * 9000), b"\x00"):
        assert mirror.ask(request).status >= 400
        assert mirror.ask(get()).status == 200
