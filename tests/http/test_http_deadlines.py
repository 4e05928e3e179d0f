"""Slow clients: a deadline on the head, a slowest rate for the body (case 17)."""

from __future__ import annotations

import threading
import time

import pytest

from tests.http.live_server import Peer, Serve, get, mirror_app


class Drip(threading.Thread):
    """Sends one byte every 20 ms until the other side ends it."""

    def __init__(self, peer: Peer, data: bytes) -> None:
        super().__init__()
        self.peer = peer
        self.data = data
        self.answered = threading.Event()

    def run(self) -> None:
        for index in range(len(self.data)):
            try:
                self.peer.socket.sendall(self.data[index : index + 1])
            except OSError:
                return
            if self.answered.wait(0.02):
                return


def test_a_silent_client_is_closed_at_the_head_deadline(serve: Serve) -> None:
    server = serve(mirror_app(), head_timeout=0.3)
    begun = time.monotonic()
    with server.peer() as peer:
        assert peer.rest() == b""
    assert 0.3 <= time.monotonic() - begun <= 1.3


@pytest.mark.parametrize("start", [b"G", b"GET / HTTP/1.1\r\n", get()[:-1]])
def test_a_head_that_stops_is_408(serve: Serve, start: bytes) -> None:
    server = serve(mirror_app(), head_timeout=0.3)
    with server.peer() as peer:
        begun = time.monotonic()
        peer.send(start)
        reply = peer.reply()
        assert (reply.status, reply["connection"]) == (408, "close")
        assert 0.25 <= time.monotonic() - begun <= 1.3
        peer.half_close()
        assert peer.rest() == b""


def test_a_dripping_head_is_408_at_the_deadline(serve: Serve) -> None:
    server = serve(mirror_app(), head_timeout=0.3)
    with server.peer() as peer:
        begun = time.monotonic()
        drip = Drip(peer, get("/", "X: " + "y" * 1000))
        drip.start()
        assert peer.reply().status == 408
        assert 0.3 <= time.monotonic() - begun <= 1.3
        drip.answered.set()
        drip.join()


def test_a_dripping_second_head_has_a_deadline_of_its_own(serve: Serve) -> None:
    server = serve(mirror_app(), head_timeout=0.3)
    with server.peer() as peer:
        peer.send(get())
        assert peer.reply().status == 200
        begun = time.monotonic()
        drip = Drip(peer, get("/", "X: " + "y" * 1000))
        drip.start()
        assert peer.reply().status == 408
        assert 0.3 <= time.monotonic() - begun <= 1.3
        drip.answered.set()
        drip.join()


def test_a_silent_body_is_408(serve: Serve) -> None:
    server = serve(mirror_app(), body_grace=0.3)
    with server.peer() as peer:
        begun = time.monotonic()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert peer.reply().status == 408
        assert 0.3 <= time.monotonic() - begun <= 1.3


@pytest.mark.parametrize(
    ("framing", "data"),
    [(b"Content-Length: 10000", b"y" * 1000), (b"Transfer-Encoding: chunked", b"1\r\ny\r\n" * 200)],
)
def test_a_dripping_body_is_408(serve: Serve, framing: bytes, data: bytes) -> None:
    # 50 bytes a second, where 256 are the least.
    server = serve(mirror_app(), body_grace=0.3)
    with server.peer() as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        begun = time.monotonic()
        drip = Drip(peer, data)
        drip.start()
        assert peer.reply().status == 408
        assert 0.25 <= time.monotonic() - begun <= 1.5
        drip.answered.set()
        drip.join()


def test_a_body_that_is_slow_but_fast_enough_comes_whole(serve: Serve) -> None:
    server = serve(mirror_app(), body_grace=0.1, body_rate=20)
    with server.peer() as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n")
        drip = Drip(peer, b"y" * 60)
        drip.start()
        assert peer.reply().status == 200
        drip.join()


def test_a_slow_client_delays_nobody(serve: Serve) -> None:
    server = serve(mirror_app(), head_timeout=0.5)
    with server.peer() as slow:
        slow.send(b"GET")
        for _ in range(20):
            assert server.ask(get()).status == 200
        assert slow.reply().status == 408
