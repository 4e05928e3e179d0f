"""A client first gets everything, then what changes."""

from __future__ import annotations

from tests.hub_server.device_board import Board


def test_the_first_message_is_the_snapshot(board: Board) -> None:
    client = board.connect()
    assert client.connection.subprotocol == "tether.v1"
    message = client.receive()
    assert message["type"] == "snapshot"
    assert message["server"]["name"] == "tether"
    assert message["server"]["version"] == "0.0.test"
    assert 0 < message["server"]["started"] <= message["time"]
    assert [device["id"] for device in message["devices"]] == ["lamp", "meter"]
    lamp, meter = message["devices"]
    assert (lamp["kind"], lamp["writable"], lamp["simulated"]) == ("switch", True, False)
    assert (meter["kind"], meter["writable"], meter["unit"]) == ("sensor", False, "°C")


def test_the_snapshot_comes_first_while_values_change_all_the_time(board: Board) -> None:
    for number in range(20):
        board.publish("meter", float(number))
        client = board.connect()
        board.publish("meter", number + 0.5)
        assert client.receive()["type"] == "snapshot"
        client.close()


def test_a_device_that_was_never_read_is_unknown_and_one_that_is_lost_unavailable(
    board: Board,
) -> None:
    board.publish("meter", 21.0)
    board.call(lambda: board.hub.registry.unavailable(board.hub.get("meter"), "unplugged"))
    [_, meter] = board.connect().receive("snapshot")["devices"]
    assert meter["state"]["status"] == "unavailable"
    assert meter["state"]["value"] is None
    assert meter["state"]["reason"] == "unplugged"
    assert meter["state"]["time"] > 0


def test_subscribe_is_answered_and_followed_by_a_fresh_snapshot(board: Board) -> None:
    client = board.client()
    assert client.ask(type="subscribe", devices=["lam*"]) == {"type": "result", "id": 1, "ok": True}
    assert [device["id"] for device in client.receive("snapshot")["devices"]] == ["lamp"]
    board.publish("meter", 30.0)
    board.publish("lamp", True)
    pushed = client.receive("states")
    assert [state["device"] for state in pushed["states"]] == ["lamp"]


def test_without_the_subprotocol_a_client_is_served_too(board: Board) -> None:
    client = board.connect(subprotocols=None)
    assert client.connection.subprotocol is None
    assert client.receive()["type"] == "snapshot"
