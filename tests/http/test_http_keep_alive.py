"""Which connections stay open (case 23), and how long."""

from __future__ import annotations

import time

import pytest

import tether
from tests.http.live_server import LiveServer, Serve, get, mirror_app

KEPT = {
    "1.1": get(),
    "1.1 keep-alive": get("/", "Connection: keep-alive"),
    "1.1 other option": get("/", "Connection: x, y"),
    "1.0 keep-alive": get("/", "Connection: Keep-Alive", version="HTTP/1.0"),
    "1.0 keep-alive in a list": get("/", "Connection: x,\tkeep-alive", version="HTTP/1.0"),
}
CLOSED = {
    "1.0": get(version="HTTP/1.0"),
    "1.1 close": get("/", "Connection: close"),
    "1.1 Close in a list": get("/", "Connection: keep-alive, Close"),
    "1.1 close in a second field": get("/", "Connection: x", "Connection: close"),
    "1.0 close": get("/", "Connection: close", version="HTTP/1.0"),
    "1.0 close and keep-alive": get("/", "Connection: close, keep-alive", version="HTTP/1.0"),
    "1.0 keep-alive and close": get("/", "Connection: keep-alive, close", version="HTTP/1.0"),
    "1.1 close and keep-alive": get("/", "Connection: close, keep-alive"),
}


@pytest.mark.parametrize("name", KEPT)
def test_kept_open(mirror: LiveServer, name: str) -> None:
    with mirror.peer() as peer:
        for _ in range(3):
            peer.send(KEPT[name])
            reply = peer.reply()
            assert reply.status == 200
            assert reply.all("connection") == (["keep-alive"] if "1.0" in name else [])


@pytest.mark.parametrize("name", CLOSED)
def test_closed_after_the_reply(mirror: LiveServer, name: str) -> None:
    with mirror.peer() as peer:
        peer.send(CLOSED[name])
        reply = peer.reply()
        assert (reply.status, reply["connection"]) == (200, "close")
        assert peer.rest() == b""


def test_an_idle_connection_is_closed_at_its_time(serve: Serve) -> None:
    server = serve(mirror_app(), idle_timeout=0.3)
    with server.peer() as peer:
        peer.send(get())
        assert peer.reply().status == 200
        before = server.call(server.loop.time)
        assert peer.rest() == b""
        # The server's clock began a moment before ours.
        assert 0.25 <= server.call(server.loop.time) - before <= 1.3


def test_each_request_begins_the_idle_time_anew(serve: Serve) -> None:
    server = serve(mirror_app(), idle_timeout=0.4)
    with server.peer() as peer:
        begun = server.call(server.loop.time)
        while server.call(server.loop.time) - begun < 1.0:
            peer.send(get())
            assert peer.reply().status == 200
        assert peer.rest() == b""


def test_a_switched_off_idle_time(serve: Serve) -> None:
    # architecture.md: None switches a limit off.
    server = serve(mirror_app(), idle_timeout=None, head_timeout=None)
    assert server.ask(get()).status == 200


@pytest.mark.parametrize("fields", [[], ["Connection: close"]])
def test_a_slow_reader_gets_its_whole_reply(serve: Serve, fields: list[str]) -> None:
    # Neither the idle time nor linger is a deadline for a peer that reads on, however slowly.
    app = tether.App()

    @app.get("/")
    def big(request: tether.Request) -> bytes:
        return b"x" * 20_000_000

    server = serve(app, idle_timeout=0.2)
    with server.peer(receive_buffer=4096) as peer:
        peer.send(get("/", *fields))
        begun = time.monotonic()
        head = peer.read_until(b"\r\n\r\n")
        received = len(peer.inbox)
        while time.monotonic() - begun < 5.6:
            received += len(peer.socket.recv(64))
        while received < 20_000_000 and (data := peer.receive()):
            received += len(data)
        assert (b"200 OK" in head, received) == (True, 20_000_000)
