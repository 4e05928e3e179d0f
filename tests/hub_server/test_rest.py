"""Devices over plain HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hub_server.device_board import Board, Lamp, Reply

JSON = {"Content-Type": "application/json"}


def post(board: Board, device: str, body: Any) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return board.http("POST", f"/api/devices/{device}", headers=JSON, body=data)


def test_devices_are_listed_with_their_states(board: Board) -> None:
    board.publish("meter", 22.5)
    reply = board.http("GET", "/api/devices")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    states = {device["id"]: device["state"]["value"] for device in reply.json()["devices"]}
    assert states == {"lamp": False, "meter": 22.5}


def test_one_device(board: Board) -> None:
    assert board.http("GET", "/api/devices/lamp").json()["kind"] == "switch"
    missing = board.http("GET", "/api/devices/nobody")
    assert missing.status == 404
    assert missing.json()["error"]["code"] == "unknown_device"


def test_a_command_is_answered_when_the_hardware_was_read_back(board: Board, lamp: Lamp) -> None:
    client = board.client()
    reply = post(board, "lamp", {"value": True})
    assert reply.status == 200
    answer = reply.json()
    assert (answer["ok"], answer["status"], answer["state"]["value"]) == (True, "done", True)
    assert lamp.written == [True]
    client.state("lamp", lambda state: state["value"] is True)


@pytest.mark.parametrize(
    ("device", "body", "status", "code"),
    [
        ("lamp", b"", 400, "bad_json"),
        ("lamp", b"on", 400, "bad_json"),
        ("lamp", b"\xff\xfe", 400, "bad_json"),
        ("lamp", b"[" * 10_000, 400, None),
        ("lamp", [], 400, "bad_request"),
        ("lamp", {}, 400, "bad_request"),
        ("lamp", {"value": "on"}, 400, "bad_request"),
        ("lamp", {"value": 7}, 400, "bad_request"),
        ("meter", {"value": 7}, 405, "not_writable"),
        ("nobody", {"value": True}, 404, "unknown_device"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    board: Board, lamp: Lamp, device: str, body: Any, status: int, code: str | None
) -> None:
    reply = post(board, device, body)
    assert reply.status == status
    answer = reply.json()
    assert answer["ok"] is False
    assert code is None or answer["error"]["code"] == code
    assert lamp.written == []


def test_a_value_out_of_range_is_unprocessable(start_board: Any) -> None:
    board: Board = start_board(settings="[hub]\nsimulated = true\n")
    reply = post(board, "led-white", {"value": 101})
    assert (reply.status, reply.json()["error"]["code"]) == (422, "out_of_range")


def test_too_many_commands_from_one_address_are_refused(start_board: Any, lamp: Lamp) -> None:
    board: Board = start_board([lamp], "[limits]\ncommands_per_second = 0.1\ncommand_burst = 2\n")
    assert [post(board, "lamp", {"value": True}).status for _ in range(3)] == [200, 200, 429]
    refused = post(board, "lamp", {"value": True})
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["error"]["code"] == "rate_limited"


def test_a_timeout_is_a_gateway_timeout(start_board: Any, lamp: Lamp) -> None:
    board: Board = start_board([lamp], "[limits]\ncommand_timeout = 0.2\n")
    board.call(lamp.gate.clear)
    reply = post(board, "lamp", {"value": True})
    assert (reply.status, reply.json()["status"]) == (504, "timed_out")


def test_what_a_client_that_left_had_queued_is_not_carried_out(board: Board, lamp: Lamp) -> None:
    staying = board.client()
    board.call(lamp.gate.clear)
    staying.send(id=1, type="set", device="lamp", value=False)
    staying.receive("command")
    with board.socket() as raw:
        body = b'{"value": true}'
        raw.sendall(
            b"POST /api/devices/lamp HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        board.until(lambda: board.hub.commands.waiting(lamp.device) == 1)
    board.until(lambda: board.hub.commands.waiting(lamp.device) == 0)
    board.call(lamp.gate.set)
    assert staying.result(1)["ok"] is True
    assert staying.ask(type="set", device="lamp", value=False)["ok"] is True
    assert lamp.written == [False, False]


def test_history(board: Board) -> None:
    board.publish("meter", 1.5)
    answer = board.http("GET", "/api/history/meter?seconds=60").json()
    assert answer["device"] == "meter"
    assert answer["points"][-1][1] == 1.5
    assert board.http("GET", "/api/history/nobody").status == 404


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e9", "x", "%D9%A3", "1_0", ""])
def test_a_wrong_length_of_history_is_refused(board: Board, seconds: str) -> None:
    reply = board.http("GET", f"/api/history/meter?seconds={seconds}")
    assert (reply.status, reply.json()["error"]["code"]) == (400, "bad_request")


def test_an_unknown_address_is_not_found(board: Board) -> None:
    assert board.http("GET", "/api/nothing").status == 404
