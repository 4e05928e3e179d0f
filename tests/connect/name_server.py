"""A real name server on loopback, over UDP and TCP, that says what a test tells it to say.

Knows packets (RFC 1035), nothing of tether's resolvers. It is served by the test's own loop.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import tether

SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
KINDS = {1: "A", 28: "AAAA"}


@dataclass
class Says:
    """An answer: records for `ttl` seconds or a code, after `delay` seconds; or nothing at all."""

    addresses: tuple[str, ...] = ()
    code: int = 0
    ttl: int = 60
    delay: float = 0.0
    is_silent: bool = False
    is_truncated: bool = False  # over UDP


@dataclass
class NameServer:
    """What it says about "name kind", and what it was asked, in order."""

    scope: tether.Scope
    answers: dict[str, Says] = field(default_factory=dict)
    otherwise: Says = field(default_factory=lambda: Says(code=NXDOMAIN))
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def knows(self, name: str, *addresses: str, **more: object) -> None:
        """The addresses of a name, of both families; the other family has none."""
        for kind, version in (("A", 4), ("AAAA", 6)):
            some = tuple(one for one in addresses if ipaddress.ip_address(one).version == version)
            self.answers[f"{name} {kind}"] = Says(some, **more)  # type: ignore[arg-type]

    def reply(self, query: bytes, is_udp: bool) -> tuple[Says, bytes]:
        end, labels = 12, []
        while size := query[end]:
            labels.append(query[end + 1 : end + 1 + size].decode())
            end += size + 1
        end += 5
        kind = struct.unpack(">H", query[end - 4 : end - 2])[0]
        question = f"{'.'.join(labels)} {KINDS[kind]}"
        self.asked.append(question)
        says = self.answers.get(question, self.otherwise)
        is_truncated = says.is_truncated and is_udp
        records = (
            b""
            if is_truncated
            else b"".join(
                b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, says.ttl, len(packed)) + packed
                for packed in (ipaddress.ip_address(one).packed for one in says.addresses)
            )
        )
        flags = 0x8180 | says.code | (0x0200 if is_truncated else 0)
        count = 0 if is_truncated else len(says.addresses)
        head = query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0)
        return says, head + query[12:end] + records

    def datagram(self, udp: socket.socket) -> None:
        query, client = udp.recvfrom(4096)
        says, reply = self.reply(query, True)
        if not says.is_silent:
            self.scope.after(says.delay, udp.sendto, reply, client)

    async def connected(self, stream: tether.Stream) -> None:
        while head := await stream.read(1):
            size = int.from_bytes(head + await stream.readexactly(1))
            _, reply = self.reply(await stream.readexactly(size), False)
            await stream.send(struct.pack(">H", len(reply)) + reply)


@asynccontextmanager
async def name_server(host: str = "127.0.0.1") -> AsyncIterator[NameServer]:
    """A server that knows no name yet."""
    async with tether.Scope(name="name server") as scope:
        server = NameServer(scope)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            listener = scope.own(tether.listen(f"{host}:0", server.connected))
            server.address = listener.address
            udp.bind((host, int(listener.address.rpartition(":")[2])))
            udp.setblocking(False)
            scope.watch(udp, tether.READ, lambda what: server.datagram(udp))
            yield server
            scope.close()
            await scope.wait_closed()
