"""The server stops: everybody who waits is told, at once and with a reason."""

from __future__ import annotations

import threading

import pytest
from websockets.exceptions import ConnectionClosed

from tests.hub_server.device_board import Board, Lamp


def test_whoever_waits_is_answered_when_the_server_stops(board: Board, lamp: Lamp) -> None:
    client = board.client()
    board.call(lamp.gate.clear)
    with board.socket() as idle, board.socket() as waiting:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200 ")
        body = b'{"value": true}'
        waiting.sendall(
            b"POST /api/devices/lamp HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        board.until(lambda: board.hub.commands.in_flight(lamp.device) is not None)
        client.send(id=1, type="set", device="lamp", value=False)
        assert client.receive("command")["status"] == "queued"
        stopping = threading.Thread(target=board.stop_serving)
        stopping.start()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                client.receive()
        answer = waiting.recv(4096)
        assert idle.recv(4096) == b""
    stopping.join()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"unavailable"' in answer
    assert lamp.written == []
