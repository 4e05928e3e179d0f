"""Commands: each is answered by its id, seen by everybody, and never carried out late."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from tests.hub_server.device_board import Board, Client, Lamp, Meter
from tether.hub.devices.model import DeviceUnavailable, Kind


def test_a_switch_is_acknowledged_carried_out_and_read_back(board: Board, lamp: Lamp) -> None:
    client = board.client()
    client.send(id="a", type="set", device="lamp", value=True)
    assert client.receive("command") == {"type": "command", "id": "a", "status": "queued"}
    assert client.receive("command") == {"type": "command", "id": "a", "status": "sent"}
    result = client.result("a")
    assert (result["ok"], result["status"]) == (True, "done")
    assert (result["state"]["device"], result["state"]["value"]) == ("lamp", True)
    assert lamp.written == [True]
    assert client.ask(type="get", device="lamp")["state"]["value"] is True


def test_both_clients_see_the_switch_and_only_its_sender_the_answer(board: Board) -> None:
    sender, other = board.client(), board.client()
    sender.send(id=1, type="set", device="lamp", value=True)
    assert other.state("lamp", lambda state: state["value"] is True)["status"] == "ok"
    sender.state("lamp", lambda state: state["value"] is True)
    other.ask(type="ping")
    assert not [message for message in other.seen if message["type"] == "command"]


def test_the_state_changes_only_when_the_hardware_was_read_back(board: Board, lamp: Lamp) -> None:
    client, other = board.client(), board.client()
    board.call(lamp.gate.clear)
    client.send(id=1, type="set", device="lamp", value=True)
    client.receive("command")
    assert client.receive("command")["status"] == "sent"
    assert other.ask(type="get", device="lamp")["state"]["value"] is False
    board.call(lamp.gate.set)
    assert client.result(1)["state"]["value"] is True


def test_a_driver_that_fails_is_reported_to_the_sender(board: Board, lamp: Lamp) -> None:
    client = board.client()
    lamp.error = DeviceUnavailable("the cable is out")
    result = client.ask(type="set", device="lamp", value=True)
    assert (result["ok"], result["status"]) == (False, "failed")
    assert result["error"] == {"code": "unavailable", "message": "the cable is out"}


def test_a_command_that_takes_too_long_times_out(start_board: Any, lamp: Lamp) -> None:
    board: Board = start_board([lamp], "[limits]\ncommand_timeout = 0.2\n")
    client = board.client()
    board.call(lamp.gate.clear)
    result = client.ask(type="set", device="lamp", value=True)
    assert (result["ok"], result["status"]) == (False, "timed_out")
    assert result["error"]["code"] == "timed_out"


def test_a_command_after_its_time_is_not_carried_out(board: Board, lamp: Lamp) -> None:
    client = board.client()
    now = client.ask(type="ping")["time"]
    late = client.ask(type="set", device="lamp", value=True, not_after=now - 1)
    assert (late["ok"], late["status"], late["error"]["code"]) == (False, "timed_out", "timed_out")
    assert lamp.written == []
    assert client.ask(type="set", device="lamp", value=True, not_after=now + 60)["ok"] is True


def test_what_a_client_that_left_had_queued_is_not_carried_out(
    board: Board, lamp: Lamp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tether.audit")
    leaving, staying = board.client(), board.client()
    board.call(lamp.gate.clear)
    staying.send(id=1, type="set", device="lamp", value=False)
    staying.receive("command")
    staying.receive("command")
    for number in range(5):
        leaving.send(id=number, type="set", device="lamp", value=True)
        assert leaving.receive("command")["status"] == "queued"
    assert board.call(lambda: board.hub.commands.waiting(lamp.device)) == 5
    leaving.close()
    board.until(lambda: board.hub.commands.waiting(lamp.device) == 0)
    board.call(lamp.gate.set)
    assert staying.result(1)["ok"] is True
    assert staying.ask(type="set", device="lamp", value=False)["ok"] is True
    assert lamp.written == [False, False]
    results = [record.__dict__["result"] for record in caplog.records]
    assert results == ["cancelled"] * 5 + ["done"] * 2


def test_too_many_commands_for_a_device_are_refused_as_busy(start_board: Any, lamp: Lamp) -> None:
    board: Board = start_board([lamp], "[limits]\ncommands_queued = 2\n")
    client = board.client()
    board.call(lamp.gate.clear)
    for number in range(4):
        client.send(id=number, type="set", device="lamp", value=True)
    result = client.result(3)
    assert result["error"]["code"] == "busy"
    board.call(lamp.gate.set)
    for number in range(3):
        assert client.result(number)["ok"] is True


RATE = "[limits]\ncommands_per_second = 0.1\ncommand_burst = 3\n"


def test_a_client_that_sends_too_many_commands_is_slowed_down_alone(
    start_board: Any, lamp: Lamp
) -> None:
    board: Board = start_board([lamp], RATE)
    client, other = board.client(), board.client()
    results = [client.ask(type="set", device="lamp", value=True) for _ in range(5)]
    assert [result["ok"] for result in results] == [True, True, True, False, False]
    assert results[3]["error"]["code"] == "rate_limited"
    assert "wait" in results[3]["error"]["message"]
    assert client.ask(type="get", device="lamp")["ok"] is True
    assert other.ask(type="set", device="lamp", value=False)["ok"] is True
    assert "tether_commands_refused_total 2" in board.http("GET", "/metrics").text


def test_results_of_many_commands_are_all_there_and_in_order(start_board: Any) -> None:
    lamps = [Lamp("one", Kind.LIGHT), Lamp("two", Kind.LIGHT)]
    settings = "[limits]\ncommands_queued = 1000\ncommand_burst = 1000\n"
    board: Board = start_board(lamps, settings)
    client = board.client()
    for number in range(300):
        device = "one" if number % 2 else "two"
        client.send(id=number, type="set", device=device, value=number % 101)
    seen: dict[int, list[str]] = {number: [] for number in range(300)}
    finished: list[int] = []
    while len(finished) < 300:
        message = client.receive()
        if message["type"] in ("command", "result"):
            seen[message["id"]].append(message["status"])
            if message["type"] == "result":
                finished.append(message["id"])
    assert set(map(tuple, seen.values())) == {("queued", "sent", "done")}
    assert [number for number in finished if number % 2] == list(range(1, 300, 2))
    assert [number for number in finished if not number % 2] == list(range(0, 300, 2))


def test_a_command_leaves_one_line_in_the_audit_log(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    client = board.client()
    peer = "{}:{}".format(*client.connection.local_address[:2])
    with caplog.at_level(logging.INFO, logger="tether.audit"):
        client.ask(type="set", device="lamp", value=True)
    [record] = [record for record in caplog.records if record.name == "tether.audit"]
    assert record.__dict__["device"] == "lamp"
    assert record.__dict__["sender"] == f"local {peer} websocket"
    assert (record.__dict__["before"], record.__dict__["after"]) == (False, True)
    assert record.__dict__["result"] == "done"


def test_a_refused_command_is_in_the_audit_log_and_a_flood_only_once(
    start_board: Any, lamp: Lamp, caplog: pytest.LogCaptureFixture
) -> None:
    board: Board = start_board([lamp], RATE)
    client = board.client()
    with caplog.at_level(logging.INFO, logger="tether.audit"):
        client.ask(type="set", device="nobody", value=True)
        for _ in range(20):
            client.ask(type="set", device="lamp", value=True)
    found = [
        (record.__dict__["result"], record.__dict__.get("error"))
        for record in caplog.records
        if record.name == "tether.audit"
    ]
    expected = [("refused", "unknown_device"), ("done", None), ("done", None)]
    assert found == [*expected, ("refused", "rate_limited")]


def test_history_says_where_its_knowledge_begins(board: Board, meter: Meter) -> None:
    client = board.client()
    began = time.time()
    for value in (1.0, 2.0, 3.0):
        board.publish("meter", value)
    board.call(lambda: board.hub.registry.unavailable(meter.devices[0], "gone"))
    history = client.ask(type="history", device="meter", seconds=600)["history"]
    assert history["device"] == "meter"
    assert history["complete"] is False
    assert began - 60 < history["from"] < time.time() + 60
    assert [value for _, value in history["points"]][-4:] == [1.0, 2.0, 3.0, None]


def test_an_id_may_be_a_string_and_is_repeated_as_it_was(board: Board) -> None:
    client: Client = board.client()
    client.connection.send(json.dumps({"id": "ü-7", "type": "ping"}))
    assert client.result("ü-7")["time"] == pytest.approx(time.time(), abs=60)
