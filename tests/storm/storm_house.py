"""A server under a scope of its own, whose callbacks close something when they are hit.

The clients are bare blocking sockets. What they send from the loop's own thread, without an await
between, arrives in one pass of the loop. Knows what is closed, not what a test makes of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

import tether
from tests.storm.storm_wire import CLOSE, Frames, check_head, handshake, masked
from tether.http.connection import Request

PATIENCE = 30.0
Result = TypeVar("Result")
TARGETS = ("self", "sibling", "server", "owner")


class Client:
    """A blocking socket that speaks as little HTTP and WebSocket as it needs."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self.address = address
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        # Small, so that a client that does not read is soon felt.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.socket.connect((host, int(port)))
        self.frames = Frames()
        self.texts: list[bytes] = []
        self.is_head_due = False
        self._head = b""

    def upgrade(self, path: str) -> None:
        self.is_head_due = True
        self.socket.sendall(handshake(path, self.address, path))
        self.path = path

    def reset(self) -> None:
        """Leave with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def say(self, text: bytes) -> None:
        self.socket.sendall(masked(text))

    def ask(self, path: str) -> None:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode())

    def answer(self) -> bytes:
        """An HTTP answer's first line, b"" where the connection ended without one."""
        line, _, _ = self._receive().partition(b"\r\n")
        return line

    def hear(self, wanted: bytes) -> None:
        """Read until `wanted` was heard."""
        while wanted not in self.texts:
            data = self._receive()
            assert data, f"the end came before {wanted!r}"
            self._take(data)

    def hear_out(self) -> None:
        """Read to the end; a close frame is answered."""
        while data := self._receive():
            self._take(data)

    def swallow(self) -> None:
        """Read what is there, without waiting."""
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(1 << 20):
                self._take(data)
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(PATIENCE)

    def close(self) -> None:
        self.socket.close()

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(1 << 16)
        except ConnectionResetError:
            return b""

    def _take(self, data: bytes) -> None:
        if self.is_head_due:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            check_head(head, self.path)
            self.is_head_due = False
        for opcode, payload in self.frames.feed(data):
            if len(payload) < 128:
                self.texts.append(payload)
            if opcode == CLOSE:
                self.socket.sendall(masked(payload, CLOSE))


class Guest:
    """One WebSocket session of the house."""

    def __init__(self, house: House, ws: tether.WebSocket, number: int) -> None:
        self.house = house
        self.ws = ws
        self.number = number
        self.closed = 0
        house.guests[number] = self
        ws.on_close(self.count)

    def count(self, cause: BaseException | None) -> None:
        self.closed += 1

    def hit(self, *arguments: object) -> None:
        """The callback under test."""
        self.house.hit(self.number, self.ws)

    def answer(self, message: str | bytes) -> None:
        self.hit()
        self.ws.send(message)

    async def run(self) -> None:
        self.hit()


class House:
    """Server, owner and guests, and what was hit."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.owner = tether.Scope(name="owner")
        self.guests: dict[int, Guest] = {}
        self.streams: list[tether.Stream] = []
        self.clients: list[Client] = []
        self.hits: list[int] = []
        self.late: list[str] = []
        self.server: tether.Listener

    def come(self, count: int) -> list[Client]:
        """New clients, connected one after the other."""
        clients = [Client(self.server.address) for _ in range(count)]
        self.clients += clients
        return clients

    def hit(self, number: int, scope: tether.Scope, expected: str = "open") -> None:
        """Note that a callback of `scope` runs, and close what is to be closed."""
        if scope.state != expected:
            self.late.append(f"a callback of {scope!r}, number {number}")
        self.hits.append(number)
        match self.target:
            case "self":
                scope.close()
            case "sibling":
                self.close_sibling(number)
            case "server":
                self.server.close()
            case "owner":
                self.owner.close()

    def close_sibling(self, number: int) -> None:
        sibling = number ^ 1
        if self.guests:
            self.guests[sibling].ws.close()
        elif sibling < len(self.streams):
            self.streams[sibling].close()

    def app(self) -> tether.App:
        app = tether.App()

        @app.websocket("/guest/{number}")
        def guest(ws: tether.WebSocket, number: int) -> None:
            Guest(self, ws, number)
            ws.on_message(ws.send)

        @app.websocket("/driven/{number}")
        async def driven(ws: tether.WebSocket, number: int) -> None:
            guest = Guest(self, ws, number)
            async for message in ws:
                guest.answer(message)

        @app.get("/plain/{number}")
        def plain(request: Request, number: int) -> str:
            self.hit(number, request)
            return "served"

        @app.get("/async/{number}")
        async def later(request: Request, number: int) -> str:
            await asyncio.sleep(0)
            self.hit(number, request)
            return "served"

        return app


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds, which is asked again and again."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


async def all_of(clients: Iterable[Client], act: Callable[[Client], Result]) -> list[Result]:
    """Let each client do something that waits, beside the loop."""
    return await tether.to_thread(lambda: [act(client) for client in clients])


def held(loop: tether.Loop) -> tuple[str, list[str]]:
    """The loop's tree without ages, and the open descriptors."""
    return re.sub(r"\d+\.\d s", "", loop.tree()), sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208


class Logged(logging.Handler):
    """Everything that was logged as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
