"""Runs a test on tether's loop and on the stock one: what asyncio does is what is expected.

Also protocols that note what they are told. Knows asyncio only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import tether

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
on_both = pytest.mark.parametrize(
    "factory", [tether.Loop, asyncio.SelectorEventLoop], ids=["tether", "asyncio"]
)


def run(factory: LoopFactory, main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(main, 20))


async def passes(count: int = 3) -> None:
    """Let the loop turn a few times."""
    for _ in range(count):
        await asyncio.sleep(0)


class Noting:
    """What all protocols here have in common: they note what they are told, and when it is over."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.transport: Any = None
        self.over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.told.append("made")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")
        self.over.set_result(error)  # raises where it is told twice

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


class Datagrams(Noting, asyncio.DatagramProtocol):
    def __init__(self) -> None:
        super().__init__()
        self.got: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.got.put_nowait((data, address))

    def error_received(self, error: Exception) -> None:
        self.errors.put_nowait(error)


class Bytes(Noting, asyncio.Protocol):
    """The reading end of a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.got = bytearray()

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.told.append("data")

    def eof_received(self) -> None:
        self.told.append("eof")


class Writing(Noting, asyncio.BaseProtocol):
    """The writing end of a pipe."""
