"""What lives here: the tables of what is measured: which servers, under which load.

A new peer is one entry in `SERVERS` and one file in `servers/`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build import compiled
from benchmarks.room import Case, Peer

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Load(Case):
    """How many connections, messages in flight on each, bytes in a message."""

    connections: int = 1
    in_flight: int = 1
    size: int = 32


@dataclass(frozen=True)
class Server(Peer):
    """An echo server: a C file beside this one, or a module of `servers`."""

    program: str = ""

    def command(self) -> list[str]:
        """Return the command that starts it on a free port, compiling it where needed."""
        if self.program.endswith(".c"):
            return [str(compiled(HERE / self.program)), "--port", "0"]
        module = f"benchmarks.websocket.servers.{self.program}"
        return [sys.executable, "-m", module, "--port", "0"]

    def prepare(self) -> None:
        """Compile it, where it is a C file."""
        self.command()


CASES = (
    Load("1", "1 connection, 32 B"),
    Load("100", "100 connections, 32 B", connections=100),
    Load("1000", "1,000 connections, 32 B", connections=1000),
    Load(
        "10x32",
        "10 connections, 32 messages of 32 B in flight on each",
        connections=10,
        in_flight=32,
    ),
    Load("64k", "10 connections, 64 KiB", connections=10, size=64 * 1024),
)

IDLE_CASE = "idle"
IDLE_SESSIONS = 1000
# Opened before, so that what a server sets up once is not counted.
FIRST_SESSIONS = 100

SERVERS = (
    Server("bare", "bare C, epoll", program="bare_epoll.c"),
    Server("tether", "tether, callback", ("tether",), program="tether_callback"),
    Server("tether-async", "tether, `async for`", ("tether",), program="tether_async"),
    Server("picows", "picows on uvloop", ("picows", "uvloop"), program="picows_uvloop"),
    Server(
        "websockets",
        "websockets on uvloop",
        ("websockets", "uvloop"),
        program="websockets_server",
    ),
)

# What the ratios are taken against.
REFERENCES = ("bare", "picows")
