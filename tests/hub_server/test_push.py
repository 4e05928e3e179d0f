"""Changes reach every client; a slow one gets the latest only, and in the end is let go."""

from __future__ import annotations

import itertools
import json
import logging
import socket
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.hub_server.device_board import Board, Client, Lamp, Meter


def test_a_change_is_pushed_to_every_client(board: Board) -> None:
    clients = [board.client() for _ in range(5)]
    board.publish("meter", 23.25)
    for client in clients:
        state = client.state("meter", lambda state: state["value"] == 23.25)
        assert state["status"] == "ok"
        assert abs(state["time"] - time.time()) < 60


def test_changes_of_one_moment_come_in_one_message_each_device_once(board: Board) -> None:
    client = board.client()

    def change() -> None:
        for number in range(10):
            board.hub.registry.publish(board.hub.get("meter"), float(number))
        board.hub.registry.publish(board.hub.get("lamp"), True)

    board.call(change)
    states = client.receive("states")["states"]
    assert {state["device"]: state["value"] for state in states} == {"meter": 9.0, "lamp": True}
    assert len(states) == 2


def test_an_interval_spaces_the_pushes_of_a_device_and_keeps_the_latest(board: Board) -> None:
    client = board.client()
    client.ask(type="subscribe", interval=0.3)
    written = [client.receive("snapshot")["time"]]

    def change(*values: float) -> None:
        for value in values:
            board.hub.registry.publish(board.hub.get("meter"), value)

    for values in ((1.0, 2.0, 3.0), (4.0, 5.0), (6.0,)):
        board.call(change, *values)
        push = client.receive("states")
        assert [state["value"] for state in push["states"]] == [values[-1]]
        written.append(push["time"])
    # The clock of the server, so that a slow machine changes nothing.
    assert all(later - earlier >= 0.3 for earlier, later in itertools.pairwise(written))


SLOW = """
[limits]
slow_client = {seconds}
write_high = 4096
write_low = 1024
"""


def slow_client(board: Board) -> Client:
    """A client that reads only when the test does, with as little room in the kernel as can be."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", board.port))
    client = board.connect(sock=narrow, max_queue=1)
    client.receive("snapshot")
    return client


def test_a_slow_client_gets_the_latest_only_and_all_its_answers(start_board: Any) -> None:
    meters = Meter(count=50)
    board: Board = start_board([meters, Lamp()], SLOW.format(seconds=60))
    slow, fast = slow_client(board), board.client()
    sent = 1000
    last = meters.devices[-1].id

    def change(value: float) -> None:
        for device in meters.devices:
            board.hub.registry.publish(device, value)

    for number in range(1, sent + 1):
        board.call(change, float(number))
        pushed = fast.receive("states")["states"]
        assert [state["value"] for state in pushed if state["device"] == last] == [number]
    slow.send(id="late", type="get", device=last)
    pushes = 0
    latest = 0.0
    while latest < sent:
        for state in slow.receive("states")["states"]:
            if state["device"] == last:
                pushes += 1
                assert state["value"] > latest, "an older state came after a newer one"
                latest = state["value"]
    assert pushes < sent, "the client was sent a backlog"
    answers = [message for message in slow.seen if message.get("id") == "late"]
    answer = answers[0] if answers else slow.result("late")
    assert answer["ok"] is True


def test_a_client_that_stays_slow_is_named_and_closed_with_1013(
    start_board: Any, caplog: pytest.LogCaptureFixture
) -> None:
    meters = Meter(count=50)
    board: Board = start_board([meters], SLOW.format(seconds=1))
    slow, other = slow_client(board), board.client()
    name = "{}:{}".format(*slow.connection.local_address[:2])

    def change() -> None:
        for device in meters.devices:
            board.hub.registry.publish(device, time.time())

    def refused() -> bool:
        return "tether_slow_clients_total 1" in board.hub.metrics.render()

    with caplog.at_level(logging.WARNING, logger="tether"):
        deadline = time.monotonic() + 30
        while not board.call(refused):
            board.call(change)
            other.receive("states")
            assert time.monotonic() < deadline
    [record] = [record for record in caplog.records if "too slow" in record.getMessage()]
    assert record.__dict__["peer"] == name
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            slow.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert "slow" in closed.value.rcvd.reason
    assert other.ask(type="ping")["ok"] is True


def test_answers_come_in_the_order_of_the_requests(board: Board) -> None:
    client = board.client()
    for number in range(200):
        client.connection.send(json.dumps({"id": number, "type": "ping"}))
    assert [client.receive("result")["id"] for _ in range(200)] == list(range(200))
