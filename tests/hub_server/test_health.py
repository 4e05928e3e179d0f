"""What whoever runs the server asks it."""

from __future__ import annotations

from tests.hub_server.device_board import Board


def test_it_is_alive_and_ready(board: Board) -> None:
    assert (board.http("GET", "/healthz").status, board.http("GET", "/readyz").status) == (200, 200)


def test_metrics_count_sessions_and_commands(board: Board) -> None:
    clients = [board.client() for _ in range(3)]
    clients[0].ask(type="set", device="lamp", value=True)
    board.publish("meter", 21.5)
    reply = board.http("GET", "/metrics")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = reply.text.splitlines()
    assert "tether_sessions 3" in lines
    assert 'tether_commands_total{device="lamp",status="done"} 1' in lines
    assert 'tether_device_value{device="meter",unit="°C",simulated="false"} 21.5' in lines
    for client in clients:
        client.close()
    board.until(lambda: "tether_sessions 0\n" in board.hub.metrics.render())
