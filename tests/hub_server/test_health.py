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


def test_metrics_say_how_the_loop_does(board: Board) -> None:
    def values() -> dict[str, float]:
        lines = board.http("GET", "/metrics").text.splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines)
            if name.startswith("tether_loop_")
        }

    first, second = values(), values()
    assert first.keys() == second.keys()
    assert {f'tether_loop_lag_seconds{{kind="{kind}"}}' for kind in ("last", "mean", "max")} <= (
        first.keys()
    )
    for name in ("passes", "events", "callbacks", "busy_seconds"):
        assert second[f"tether_loop_{name}_total"] > first[f"tether_loop_{name}_total"] > 0
    assert second["tether_loop_busy_seconds_total"] < 60
    assert second["tether_loop_pending_timers"] > 0
    assert second["tether_loop_watches"] == 0
