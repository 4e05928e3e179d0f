"""Pings, and a peer that is silent after one (case 41)."""

from __future__ import annotations

import time
from typing import Any

import pytest

import tether
from tests.http.live_server import Serve
from tests.websocket.raw_websocket import PING, PONG, TEXT, Client, Sessions, both_forms, frame

QUICK: dict[str, Any] = {"ping_interval": 0.2, "pong_timeout": 0.3}


@pytest.mark.parametrize("path", both_forms())
def test_silence_after_a_ping_is_1011_and_a_read_timeout(serve: Serve, path: str) -> None:
    sessions = Sessions(serve, **QUICK)
    begun = time.monotonic()
    client = sessions.client(path=path)
    client.expect(PING, b"")
    assert 0.2 <= time.monotonic() - begun <= 1.2
    client.expect_close(1011)
    assert 0.5 <= time.monotonic() - begun <= 1.5
    client.expect_end()
    cause = sessions.wait_closed()
    assert isinstance(cause, tether.ReadTimeout)
    assert (sessions.ws.close_code, sessions.ws.closed_by) == (1006, "local")


def test_the_closed_by_of_a_timeout_and_the_error_of_the_handler(serve: Serve) -> None:
    app = tether.App()
    errors: list[BaseException] = []

    @app.websocket("/ws", **QUICK)
    async def session(ws: tether.WebSocket) -> None:
        try:
            await ws.recv()
        except tether.NetworkError as error:
            errors.append(error)
            raise

    server = serve(app)
    client = Client(server.peer())
    client.expect(PING, b"")
    client.expect_close(1011)
    server.until(lambda: bool(errors))
    assert isinstance(errors[0], tether.ReadTimeout)
    server.until(server.is_idle)


@pytest.mark.parametrize("path", both_forms())
def test_pongs_keep_it_open(serve: Serve, path: str) -> None:
    sessions = Sessions(serve, **QUICK)
    client = sessions.client(path=path)
    for _ in range(4):
        client.expect(PING, b"")
        client.send(frame(PONG))
    sessions.server.until(lambda: sessions.ws.latency is not None)
    latency = sessions.ws.latency
    assert latency is not None
    assert 0 <= latency < 1
    client.leave()


def test_any_frame_is_a_sign_of_life(serve: Serve) -> None:
    sessions = Sessions(serve, **QUICK)
    client = sessions.client()
    for number in range(3):
        client.expect(PING, b"")
        client.text(str(number))
        client.expect(TEXT, str(number).encode())
    client.leave()


def test_who_talks_is_not_pinged(serve: Serve) -> None:
    sessions = Sessions(serve, ping_interval=0.3)
    client = sessions.client()
    begun = time.monotonic()
    while time.monotonic() - begun < 1.0:
        client.text("x")
        client.expect(TEXT, b"x")
    client.leave()


def test_none_switches_it_off(serve: Serve) -> None:
    sessions = Sessions(serve, ping_interval=None, pong_timeout=0.1)
    client = sessions.client()
    client.peer.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.receive()
    client.leave()


@pytest.mark.parametrize("path", both_forms())
def test_one_who_takes_nothing_is_given_up_too(serve: Serve, path: str) -> None:
    # It neither reads nor speaks: what waits for it must not wait for ever.
    sessions = Sessions(serve, form="echo", **QUICK)
    client = sessions.client(path=path, receive_buffer=4096)
    sessions.server.until(lambda: bool(sessions.opened))

    def fill() -> int:
        while sessions.ws.send(b"x" * 10_000):
            pass
        return int(sessions.ws.buffered)

    # Until the system's buffers are full too.
    full = 0
    while full < 50:
        full = full + 1 if sessions.server.call(fill) >= sessions.ws.write_high else 0
    begun = time.monotonic()
    sessions.server.until(lambda: sessions.ws.state != "open", patience=3)
    assert time.monotonic() - begun < 2
    assert isinstance(sessions.ws.error, tether.NetworkError)
    client.peer.reset()
    sessions.wait_closed()
