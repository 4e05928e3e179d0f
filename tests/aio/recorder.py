"""A protocol that notes what it hears, and a plain socket at the other end of its connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

Main = Callable[[], Coroutine[Any, Any, None]]
#: Runs a coroutine function on the loop that the test is about.
Run = Callable[[Main], None]


class Recorder(asyncio.Protocol):
    """Notes every call; `on_...` attributes are called in addition."""

    transport: asyncio.Transport

    def __init__(self, **hooks: Callable[..., Any]) -> None:
        self.hooks = hooks
        self.calls: list[str] = []
        self.received = bytearray()
        self.error: BaseException | None = None
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.data: asyncio.Future[None] = loop.create_future()
        self.paused: asyncio.Future[None] = loop.create_future()

    def note(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        return self.hooks[name](self, *arguments) if name in self.hooks else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.note("connection_made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.received += data
        if not self.data.done():
            self.data.set_result(None)
        self.note("data_received", data)

    def eof_received(self) -> Any:
        if not self.ended.done():
            self.ended.set_result(None)
        return self.note("eof_received")

    def pause_writing(self) -> None:
        if not self.paused.done():
            self.paused.set_result(None)
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def connection_lost(self, error: BaseException | None) -> None:
        self.error = error
        self.note("connection_lost")
        self.lost.set_result(None)


async def connected(protocol: Recorder) -> socket.socket:
    """`protocol` at one end of a connection, a plain non-blocking socket at the other."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        _, (peer, _) = await asyncio.gather(
            loop.create_connection(lambda: protocol, *listening.getsockname()),
            loop.sock_accept(listening),
        )
    peer.setblocking(False)
    return peer


def reset(peer: socket.socket) -> None:
    """Close so that the other side gets a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


async def read_all(peer: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    got = bytearray()
    while data := await loop.sock_recv(peer, 65536):
        got += data
    return bytes(got)
