"""The programs of `examples/`, run for real."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.docs.documents import ROOT, blocks
from tests.docs.example_process import PATIENCE, Example

BOARD = ROOT / "examples" / "board.py"
StartExample = Callable[[str], Example]
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST."""


def test_the_readme_shows_the_board_as_it_is() -> None:
    shown = [block for block in blocks(ROOT / "README.md") if "leds" in block.text]
    assert [block.text for block in shown] == [BOARD.read_text()]
    assert len(BOARD.read_text().splitlines()) < 20


@pytest.fixture
def board(start_example: StartExample) -> Example:
    return start_example("board.py")


def join(example: Example, path: str = "/ws") -> ClientConnection:
    return connect(f"ws://{example.address}{path}", open_timeout=PATIENCE, compression=None)


def pushed(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(client.recv(PATIENCE))
    return message


def push_with(client: ClientConnection, led: str, *, on: bool) -> dict[str, Any]:
    """The first push that shows the LED so; pushes come until it does."""
    while (message := pushed(client))["leds"][led] is not on:
        pass
    return message


def leave_in_a_push(example: Example) -> None:
    """Come, wait for the first bytes of a push, and reset the connection before reading it all."""
    host, _, port = example.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as raw:
        raw.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {example.address}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        reply = b""
        while not reply.endswith(b"\r\n\r\n"):
            reply += raw.recv(1)
        assert reply.startswith(b"HTTP/1.1 101 ")
        assert raw.recv(5)[:1] == b"\x81"
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def test_clients_switch_get_temperatures_and_leave_by_reset(board: Example) -> None:
    with join(board) as one, join(board) as other:
        assert pushed(one) == {"leds": {"red": False, "green": False}, "temperature": 21}
        one.send("red")
        assert push_with(one, "red", on=True)["temperature"] == 25
        assert push_with(other, "red", on=True)["temperature"] == 25
        for _ in range(5):
            leave_in_a_push(board)
        other.send("green")
        assert push_with(one, "green", on=True) == {
            "leds": {"red": True, "green": True},
            "temperature": 29,
        }
        # Ten ticks later the timers of the clients that left would all have fired.
        assert [pushed(one)["temperature"] for _ in range(10)] == [29] * 10
        assert board.interrupt() == 0
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                pushed(other)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert board.log == ""


def test_an_unknown_led_ends_one_session_only(board: Example) -> None:
    with join(board) as good, join(board) as bad:
        bad.send("blue")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                pushed(bad)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
        good.send("red")
        assert push_with(good, "red", on=True)["temperature"] == 25
        assert board.interrupt() == 0
    assert board.log.count("KeyError: 'blue'") == 1
    assert board.log.count("Traceback") == 1


@pytest.mark.parametrize("path", ["/ws", "/fast"])
def test_echo(start_example: StartExample, path: str) -> None:
    echo = start_example("echo.py")
    with join(echo, path) as client:
        for message in ("hello", b"\x00\xff", "x" * 100_000):
            client.send(message)
            assert client.recv(PATIENCE) == message
    assert echo.interrupt() == 0
    assert echo.log == ""


def ask(address: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "connect.py"), address],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_connect_says_that_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        ended = ask(address)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"connected to {address}\n", "")


def test_connect_says_that_nobody_listens() -> None:
    with socket.socket() as bound:  # nobody else can listen on its port, and it does not
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        ended = ask(address)
    assert (ended.returncode, ended.stderr) == (1, "")
    first, second = ended.stdout.splitlines()
    assert first.startswith(f"connect to {address} (127.0.0.1) failed: connection refused after ")
    assert second == "  127.0.0.1: connection refused (errno 111)"
