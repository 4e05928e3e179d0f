"""`tether serve` as a process: its link, its log, its end."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.cli.running import PATIENCE, Served

Serve = Callable[..., Served]


def fetch(address: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_port_0_prints_the_link_that_was_chosen(serve: Serve) -> None:
    served = serve("--listen", "127.0.0.1:0")
    assert served.line == f"Device server on http://{served.address}/\n"
    status, body = fetch(served.address, "/")
    assert status == 200
    assert b"<title>Devices</title>" in body


def test_a_unix_socket_is_served_by_its_path(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "board.sock"
    served = serve("--listen", f"unix:{path}")
    assert served.line == f"Device server on unix:{path}\n"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_open_address_is_served_with_insecure_and_a_warning(serve: Serve) -> None:
    served = serve("--listen", "0.0.0.0:0", "--insecure")
    port = served.address.rpartition(":")[2]
    assert fetch(f"127.0.0.1:{port}", "/healthz")[0] == 200
    assert "open to everybody" in served.log


def test_it_serves_this_machine_and_a_simulated_board(serve: Serve) -> None:
    served = serve("--listen", "127.0.0.1:0")
    devices = {
        device["id"]: device
        for device in json.loads(fetch(served.address, "/api/devices")[1])["devices"]
    }
    assert devices["machine-cpu"]["simulated"] is False
    assert devices["led-green"]["simulated"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_gives_clients_1001_within_a_second(serve: Serve, number: int) -> None:
    served = serve("--listen", "127.0.0.1:0")
    with connect(f"ws://{served.address}/ws", proxy=None) as client:
        client.recv(timeout=PATIENCE)
        served.process.send_signal(number)
        signalled = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                client.recv(timeout=PATIENCE)
        elapsed = time.monotonic() - signalled
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert elapsed < 1.0
    assert served.process.wait(PATIENCE) == 0
    assert "Traceback" not in served.log


def test_it_stops_although_a_client_does_not_answer(serve: Serve) -> None:
    served = serve("--listen", "127.0.0.1:0")
    host, _, port = served.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as silent:
        silent.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert silent.recv(12) == b"HTTP/1.1 101"
        os.kill(served.process.pid, signal.SIGTERM)
        assert served.process.wait(PATIENCE) == 0


def test_the_configuration_is_used(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "tether.toml"
    file.write_text(
        '[server]\nlisten = "127.0.0.1:0"\n[hub]\nname = "greenhouse"\nsimulated = true\n'
    )
    served = serve("--config", str(file))
    with connect(f"ws://{served.address}/ws", proxy=None) as client:
        snapshot = json.loads(client.recv(timeout=PATIENCE))
    assert snapshot["server"]["name"] == "greenhouse"


def test_the_log_is_json_where_asked(serve: Serve) -> None:
    served = serve("--listen", "127.0.0.1:0", "--log-json", "--verbose")
    fetch(served.address, "/healthz")
    served.process.terminate()
    assert served.process.wait(PATIENCE) == 0
    lines = served.log.splitlines()
    assert lines
    for line in lines:
        assert {"time", "level", "logger", "message"} <= set(json.loads(line))


def test_the_soft_limit_of_descriptors_is_raised(serve: Serve) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = min(256, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, hard))
    try:
        served = serve("--listen", "127.0.0.1:0")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    [line] = [
        line
        for line in Path(f"/proc/{served.process.pid}/limits").read_text().splitlines()
        if line.startswith("Max open files")
    ]
    assert line.split()[3:5] == [str(hard), str(hard)]
