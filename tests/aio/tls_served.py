"""An asyncio server under TLS, a client for it, and protocols that write down what they hear."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from tests.certificates import NAME, client_context, server_context

ADDRESS = "127.0.0.1"


class Recorder(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.received = b""
        self.transport: asyncio.Transport
        self.made = asyncio.Event()
        self.ended = asyncio.Event()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.keeps_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")
        self.made.set()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        self.ended.set()
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")
        self.lost.set_result(exc)


class Echo(Recorder):
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def connect(port: int, **options: Any) -> tuple[asyncio.Transport, Recorder]:
    transport, recorder = await asyncio.get_running_loop().create_connection(
        Recorder, ADDRESS, port, ssl=client_context(), server_hostname=NAME, **options
    )
    return transport, recorder


class Served:
    """An asyncio server under TLS, and the protocols of its connections."""

    def __init__(
        self,
        factory: Callable[[], Recorder] = Echo,
        *,
        minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        **options: Any,
    ) -> None:
        self.factory = factory
        self.context = server_context()
        self.context.minimum_version = minimum_version
        self.options = options
        self.protocols: list[Recorder] = []

    def make(self) -> Recorder:
        self.protocols.append(self.factory())
        return self.protocols[-1]

    async def first(self) -> Recorder:
        """The first connection, once its handshake is over on this side too."""
        while not self.protocols:
            await asyncio.sleep(0)
        await self.protocols[0].made.wait()
        return self.protocols[0]

    async def __aenter__(self) -> Served:
        self.server = await asyncio.get_running_loop().create_server(
            self.make, ADDRESS, 0, ssl=self.context, **self.options
        )
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()
