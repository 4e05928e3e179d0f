# What Python sees of asyncio's datagram transport (datagram.pyx). A test holds the two together.

import asyncio
import socket
from typing import Any

from tether.aio.endpoint import WritingEndpoint

class DatagramTransport(WritingEndpoint):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.DatagramProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None: ...
    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None: ...
