"""What lives here: the tables of what is measured: which servers, under which load.

A new peer is one entry in `SERVERS` and one file in `servers/`.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build import compiled

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Case:
    """A load: how many connections, messages in flight on each, bytes in a message."""

    name: str
    title: str
    connections: int
    in_flight: int = 1
    size: int = 32


@dataclass(frozen=True, slots=True)
class Server:
    """An echo server: a C file beside this one, or a module of `servers` with its needs."""

    name: str
    title: str
    program: str
    packages: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Return the command that starts it on a free port, compiling it where needed."""
        if self.program.endswith(".c"):
            return [str(compiled(HERE / self.program)), "--port", "0"]
        module = f"benchmarks.websocket.servers.{self.program}"
        return [sys.executable, "-m", module, "--port", "0"]

    def missing(self) -> list[str]:
        """Return the packages it needs that cannot be imported here."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


CASES = (
    Case("1", "1 connection, 32 B", 1),
    Case("100", "100 connections, 32 B", 100),
    Case("1000", "1,000 connections, 32 B", 1000),
    Case("10x32", "10 connections, 32 messages of 32 B in flight on each", 10, in_flight=32),
    Case("64k", "10 connections, 64 KiB", 10, size=64 * 1024),
)

IDLE_CASE = "idle"
IDLE_SESSIONS = 1000
# Opened before, so that what a server sets up once is not counted.
FIRST_SESSIONS = 100

SERVERS = (
    Server("bare", "bare C, epoll", "bare_epoll.c"),
    Server("tether", "tether, callback", "tether_callback", ("tether",)),
    Server("tether-async", "tether, `async for`", "tether_async", ("tether",)),
    Server("picows", "picows on uvloop", "picows_uvloop", ("picows", "uvloop")),
    Server(
        "websockets",
        "websockets on uvloop",
        "websockets_server",
        ("websockets", "uvloop"),
    ),
)

# What the ratios are taken against.
REFERENCES = ("bare", "picows")
