"""A WebSocket client that writes and reads raw frames, so that it can break every rule.

Knows the frame format by RFC 6455 alone; it shares nothing with what it tests.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import tether
from tests.http.live_server import LiveServer, Peer, Serve, get

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    length_bytes: int | None = None,
    declared: int | None = None,
) -> bytes:
    """A frame as a client sends it; `length_bytes` (0, 2 or 8) forces a form of the length, and
    `declared` a length that is not the payload's."""
    size = len(payload) if declared is None else declared
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 65536 else 8
    masked = 0x80 if mask is not None else 0
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    if length_bytes == 0:
        head += bytes([masked | size])
    elif length_bytes == 2:
        head += bytes([masked | 126]) + struct.pack(">H", size)
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", size)
    if mask is None:
        return head + payload
    whole = len(payload) // 4 + 1
    turned = int.from_bytes(payload, "big") ^ int.from_bytes((mask * whole)[: len(payload)], "big")
    return head + mask + turned.to_bytes(len(payload), "big")


def close_frame(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


def handshake(
    *fields: str, path: str = "/ws", host: str = "a", version: str = "13", key: str = KEY
) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Sec-WebSocket-Version: {version}",
        f"Sec-WebSocket-Key: {key}",
        *fields,
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1")


@dataclass(frozen=True)
class Received:
    """A frame of the server's, which was checked as RFC 6455, section 5, has it."""

    opcode: int
    payload: bytes
    final: bool = True

    @property
    def code(self) -> int | None:
        assert self.opcode == CLOSE, self
        return struct.unpack(">H", self.payload[:2])[0] if self.payload else None

    @property
    def reason(self) -> str:
        return self.payload[2:].decode()


class Client:
    """A raw client whose handshake is done."""

    def __init__(self, peer: Peer, *fields: str, path: str = "/ws") -> None:
        self.peer = peer
        self.server = peer.server
        peer.send(handshake(*fields, path=path))
        self.head = peer.read_until(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 101 "), self.head

    def send(self, *frames: bytes) -> None:
        self.peer.send(b"".join(frames))

    def text(self, text: str) -> None:
        self.send(frame(TEXT, text.encode()))

    def receive(self) -> Received:
        first, second = self.peer.read_exactly(2)
        assert first & 0x70 == 0, "a reserved bit is set"
        assert second & 0x80 == 0, "a server never masks"
        opcode, size = first & 15, second & 127
        assert opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
        if size == 126:
            (size,) = struct.unpack(">H", self.peer.read_exactly(2))
            assert size >= 126
        elif size == 127:
            (size,) = struct.unpack(">Q", self.peer.read_exactly(8))
            assert size >= 65536
        if opcode >= CLOSE:
            assert first & 0x80
            assert size <= 125
        received = Received(opcode, self.peer.read_exactly(size), bool(first & 0x80))
        if opcode == TEXT:
            received.payload.decode()
        if opcode == CLOSE and received.payload:
            assert len(received.payload) >= 2
            received.payload[2:].decode()
        return received

    def expect(self, opcode: int, payload: bytes) -> None:
        received = self.receive()
        assert (received.opcode, received.payload) == (opcode, payload)

    def expect_close(self, code: int | None) -> Received:
        """The server's close frame with this code, and then nothing but the end."""
        received = self.receive()
        assert (received.opcode, received.code) == (CLOSE, code), received
        return received

    def expect_end(self) -> None:
        """Not a byte more: the end."""
        assert self.peer.rest() == b""

    def expect_failure(self, code: int) -> Received:
        """The server fails the connection: a close frame, the end, and it waits for nothing."""
        received = self.expect_close(code)
        self.peer.half_close()
        self.expect_end()
        return received

    def leave(self) -> None:
        """An orderly close by the client."""
        self.send(close_frame())
        self.expect_close(1000)
        self.expect_end()


class Sessions:
    """A server of one session at `/ws`, whose ends and messages are kept."""

    def __init__(self, serve: Serve, form: str = "plain", **options: Any) -> None:
        self.app = tether.App()
        self.opened: list[tether.WebSocket] = []
        self.messages: list[str | bytes] = []
        self.closed: list[BaseException | None] = []

        def watch(ws: tether.WebSocket) -> None:
            self.opened.append(ws)
            ws.on_close(self.closed.append)

        @self.app.websocket("/ws", **options)
        def plain(ws: tether.WebSocket) -> None:
            watch(ws)

            def on_message(message: str | bytes) -> None:
                self.messages.append(message)
                ws.send(message)

            ws.on_message(on_message if form == "plain" else ws.send)

        @self.app.websocket("/async", **options)
        async def echo(ws: tether.WebSocket) -> None:
            watch(ws)
            async for message in ws:
                self.messages.append(message)
                await ws.send(message)

        self.server: LiveServer = serve(self.app)

    def client(self, *fields: str, path: str = "/ws", **options: Any) -> Client:
        return Client(self.server.peer(**options), *fields, path=path)

    @property
    def ws(self) -> tether.WebSocket:
        """The session that was opened last."""
        return self.opened[-1]

    def wait_closed(self, count: int = 1) -> BaseException | None:
        """Until so many sessions have closed: the cause of the last."""
        self.server.until(lambda: len(self.closed) >= count)
        assert len(self.closed) == count
        return self.closed[-1]


def both_forms() -> list[str]:
    return ["/ws", "/async"]


def is_alive(sessions: Sessions) -> bool:
    """Whether the server still serves a new session."""
    client = sessions.client()
    client.text("alive?")
    client.expect(TEXT, b"alive?")
    client.leave()
    return True


__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "KEY",
    "PING",
    "PONG",
    "TEXT",
    "Client",
    "Received",
    "Sessions",
    "both_forms",
    "close_frame",
    "frame",
    "get",
    "handshake",
    "is_alive",
]
