"""`tether.serve` in a process of its own: signals stop it gracefully; a taken port is said."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 10.0

PROGRAM = """
import asyncio, sys, tether

app = tether.App()
begun = asyncio.Event()

@app.get("/")
def plain(request):
    return "plain"

@app.get("/slow")
async def slow(request):
    print("begun", flush=True)
    await asyncio.sleep(0.3)
    return "finished"

@app.websocket("/ws")
async def session(ws):
    async for message in ws:
        pass

tether.serve(app, sys.argv[1], on_ready=lambda server: print(server.url, flush=True))
print("stopped", flush=True)
"""

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Process:
    def __init__(self, folder: Path, address: str = "127.0.0.1:0") -> None:
        program = folder / "program.py"
        program.write_text(PROGRAM)
        self.process = subprocess.Popen(
            [sys.executable, str(program), address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def connect(self) -> socket.socket:
        port = int(self.url.rpartition(":")[2])
        return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    def end(self) -> str:
        """What it wrote to standard error, when it has ended."""
        return self.process.communicate(timeout=PATIENCE)[1]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    if process.process.poll() is None:
        process.process.kill()
    process.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_gracefully(process: Process, number: signal.Signals) -> None:
    assert process.url.startswith("http://127.0.0.1:")
    with process.connect() as running, process.connect() as idle, process.connect() as session:
        session.sendall(UPGRADE)
        data = b""
        while b"\r\n\r\n" not in data:
            data += session.recv(1000)
        running.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert process.line() == "begun"
        signalled = time.monotonic()
        process.process.send_signal(number)
        assert idle.recv(10) == b""
        assert session.recv(100)[:4] == b"\x88\x12\x03\xe9", "a close frame with 1001"
        assert time.monotonic() - signalled < 1.0
        session.close()
        data = b""
        while piece := running.recv(1000):
            data += piece
        assert data.endswith(b"finished")
    assert process.line() == "stopped"
    assert process.end() == ""
    assert process.process.returncode == 0


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = Process(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}")
        assert process.url == ""
        errors = process.end()
    assert process.process.returncode == 1
    assert "LocalError" in errors
    assert "address already in use" in errors
