"""Whatever a client sends, it gets its documented answer, and the server goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hub_server.device_board import Board, Client


def still_works(client: Client) -> None:
    answer = client.ask(type="get", device="lamp")
    assert answer["ok"] is True
    assert answer["state"]["device"] == "lamp"


@pytest.mark.parametrize(
    "garbage", ["", "not json", "[1, 2]", '{"id": 1', "\x00\x01\x02", "🙂" * 100, "[" * 5000]
)
def test_garbage_is_answered_and_the_session_goes_on(board: Board, garbage: str) -> None:
    client = board.client()
    client.connection.send(garbage)
    answer = client.receive("error")
    assert answer["id"] is None
    assert answer["error"]["code"] == "bad_json"
    still_works(client)


def test_a_binary_frame_is_answered_and_the_session_goes_on(board: Board) -> None:
    client = board.client()
    client.connection.send(b'{"id": 1, "type": "ping"}')
    assert client.receive("error")["error"]["code"] == "bad_json"
    still_works(client)


@pytest.mark.parametrize(
    ("request_", "code", "named"),
    [
        ({"type": "dance"}, "unknown_type", "dance"),
        ({"type": "set", "device": "lamp"}, "bad_request", "value"),
        ({"type": "set", "device": "lamp", "value": "on"}, "bad_request", "value"),
        ({"type": "set", "device": "nobody", "value": True}, "unknown_device", "nobody"),
        ({"type": "set", "device": "lamp", "value": 2}, "bad_request", "true or false"),
        ({"type": "set", "device": "meter", "value": 2}, "not_writable", "meter"),
        ({"type": "get", "device": "nobody"}, "unknown_device", "nobody"),
        ({"type": "get", "device": "../../etc/passwd"}, "unknown_device", "passwd"),
        ({"type": "history", "device": "nobody"}, "unknown_device", "nobody"),
        ({"type": "subscribe", "devices": ["nobody"]}, "unknown_device", "nobody"),
        ({"type": "subscribe", "interval": "often"}, "bad_request", "interval"),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else None,
)
def test_a_wrong_request_is_answered_by_its_id(
    board: Board, request_: dict[str, Any], code: str, named: str
) -> None:
    client = board.client()
    client.send(id="mine", **request_)
    answer = client.result("mine")
    assert answer["ok"] is False
    assert answer["error"]["code"] == code
    assert named in answer["error"]["message"]
    still_works(client)


@pytest.mark.parametrize("value", [101, -1, 10**30])
def test_a_value_out_of_range_is_refused(start_board: Any, value: int) -> None:
    board: Board = start_board(settings="[hub]\nsimulated = true\n")
    client = board.client()
    answer = client.ask(type="set", device="led-white", value=value)
    assert answer["ok"] is False
    assert answer["status"] == "failed"
    assert answer["error"]["code"] == "out_of_range"
    assert client.ask(type="get", device="led-white")["state"]["value"] != value


def test_a_message_over_the_limit_ends_only_that_session(start_board: Any, lamp: Any) -> None:
    board: Board = start_board([lamp], settings="[limits]\nmessage_bytes = 1024\n")
    other = board.client()
    client = board.client()
    client.connection.send("x" * 2000)
    with pytest.raises(Exception, match="1009"):
        client.receive("result")
    still_works(other)


def test_a_huge_header_is_refused_and_the_server_goes_on(board: Board) -> None:
    other = board.client()
    with board.socket() as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: ")
        refused = False
        try:
            for _ in range(10 * 16):
                raw.sendall(b"x" * 65536)
        except OSError:
            # The server closed while we were still sending, which is as good.
            refused = True
        try:
            answer = raw.recv(65536)
        except OSError:
            answer = b""
        assert refused or b" 431 " in answer.split(b"\r\n")[0]
    still_works(other)


def test_a_hundred_bad_messages_at_once_get_a_hundred_answers(board: Board) -> None:
    client = board.client()
    for number in range(100):
        client.send(id=number, type="dance")
    for number in range(100):
        assert client.result(number)["error"]["code"] == "unknown_type"
    still_works(client)
