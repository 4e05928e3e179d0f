"""A process whose loop has nothing to do sleeps: it does not wake, with a thousand connections too.

It is looked at from outside, by what the kernel counts: how often its threads went to sleep, how
often they were woken, and their processor time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import tether
from tests.plain_sockets import open_socket, receive_exactly
from tether.engine.pollers import POLLERS

STREAMS, REQUESTS, SESSIONS = 600, 250, 150
IDLE = 5.0
REQUEST = b"GET / HTTP/1.1\r\nHost: idle\r\n\r\n"
UPGRADE = (
    b"GET /session HTTP/1.1\r\nHost: idle\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def serve() -> None:
    """In the child: three kinds of servers, and a timer that is not due for long."""
    app = tether.App()

    @app.get("/")
    def hello(request: tether.Request) -> str:
        return "hello"

    @app.websocket("/session", ping_interval=300)
    async def session(ws: tether.WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    async def echo(stream: tether.Stream) -> None:
        while data := await stream.read():
            await stream.send(data)

    tether.Scope().every(3600, print)
    # Every connection has a deadline that is pending, and none that falls due in the test.
    async with (
        tether.listen("127.0.0.1:0", echo) as listener,
        app.listen("127.0.0.1:0", head_timeout=300, idle_timeout=300) as server,
    ):
        print(listener.address, server.address, flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Server:
    """A child of its own with a thousand connections, each of which has said something."""

    def __init__(self, poller: str, exits: ExitStack) -> None:
        self.process = exits.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"TETHER_POLLER": poller},
                cwd=Path(__file__).parents[2],
            )
        )
        exits.callback(self.process.kill)
        assert self.process.stdout is not None
        plain, web = self.process.stdout.readline().decode().split()
        self.clients = [
            *(talk(exits, plain, b"hello", b"hello") for _ in range(STREAMS)),
            *(talk(exits, web, REQUEST, b"HTTP/1.1 200") for _ in range(REQUESTS)),
            *(talk(exits, web, UPGRADE, b"HTTP/1.1 101") for _ in range(SESSIONS)),
        ]

    def seen(self) -> dict[str, int]:
        """What the kernel counted of the loop's thread."""
        thread = Path(f"/proc/{self.process.pid}/task/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
        return {
            "wake-ups": int(status["voluntary_ctxt_switches"]),
            "nanoseconds": int((thread / "schedstat").read_text().split()[0]),
        }


def talk(exits: ExitStack, address: str, said: bytes, answer: bytes) -> socket.socket:
    client = exits.enter_context(open_socket(address))
    client.sendall(said)
    assert receive_exactly(client, len(answer)) == answer
    return client


@pytest.fixture
def servers() -> Iterator[dict[str, Server]]:
    with ExitStack() as exits:
        yield {name: Server(name, exits) for name in POLLERS}


def test_a_thousand_idle_connections_wake_nobody_in_five_seconds(
    servers: dict[str, Server],
) -> None:
    time.sleep(1)  # what the last answers left to do is done by then
    before = {name: server.seen() for name, server in servers.items()}
    time.sleep(IDLE)
    after = {name: server.seen() for name, server in servers.items()}
    assert after == before
    for name, server in servers.items():
        server.clients[0].sendall(b"still there?")
        assert receive_exactly(server.clients[0], 12) == b"still there?"
        deadline = time.monotonic() + 10
        while server.seen() == before[name]:  # so the kernel does count what is looked at here
            assert time.monotonic() < deadline
            time.sleep(0.01)


if __name__ == "__main__":
    tether.run(serve())
