"""Real faults on loopback: servers, routes, rules and names that fail in every way there is.

Knows sockets and threads, nothing of the clients that meet the faults. It is run in a network
namespace of its own, whose `SETUP` is below; what it starts ends with its process.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.certificates import NAME, authority, self_signed_context, server_context

HOSTS = f"127.0.0.1 localhost {NAME}\n"
RESOLV = "nameserver 127.0.0.53\noptions timeout:2 attempts:1\n"
#: Nothing leads to 192.0.2.1; every other fault of the network has an address of its own.
SETUP = """
    ip route add unreachable 192.0.2.2
    ip route add prohibit 192.0.2.3
    ip route add blackhole 192.0.2.4
    nft add table inet faults
    nft add chain inet faults arriving '{ type filter hook input priority 0; }'
    nft add rule inet faults arriving ip daddr 127.0.0.61 drop
    nft add rule inet faults arriving ip daddr 127.0.0.62 meta l4proto tcp reject with tcp reset
    nft add rule inet faults arriving ip daddr 127.0.0.63 reject with icmp type host-unreachable
"""
NAMES = {b"nowhere": 3, b"empty": 0, b"failing": 2, b"refusing": 5}  # and others: silence


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a fault is met: an address, and how to go there."""

    address: str
    is_tls: bool = False
    proxy: str = ""
    local: str = ""
    resolver: str = "system"


def serve(behaviour: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> str:
    """The port of a server on 127.0.0.1 that behaves so, each connection in a thread."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)

    def one(connection: socket.socket) -> None:
        with suppress(OSError):
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            behaviour(connection)
        connection.close()

    def accept() -> None:
        while True:
            threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return str(listening.getsockname()[1])


def hang(connection: socket.socket) -> None:
    """Take everything, say nothing."""
    while connection.recv(65536):
        pass


def never_read(connection: socket.socket) -> None:
    """Not even take anything."""
    threading.Event().wait()


def close(connection: socket.socket) -> None:
    """Leave after the first question."""
    connection.recv(65536)


def reset(connection: socket.socket) -> None:
    """Leave by a reset after the first question."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say(*pieces: bytes) -> Callable[[socket.socket], None]:
    """Answer the first question so, and take what else comes until the client leaves."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
        hang(connection)

    return behaviour


def say_and_close(data: bytes) -> Callable[[socket.socket], None]:
    """Answer the first question so, and leave."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return behaviour


def refuse_socks(connection: socket.socket) -> None:
    """SOCKS 5 (RFC 1928) with the answer: connection refused."""
    connection.recv(65536)
    connection.sendall(b"\x05\x00")
    connection.recv(65536)
    connection.sendall(b"\x05\x05\x00\x01" + bytes(6))


def name_server() -> None:
    """127.0.0.53:53, which says of each name what `NAMES` has of it."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.53", 53))

    def answer() -> None:
        while True:
            query, client = udp.recvfrom(4096)
            code = NAMES.get(query[13 : 13 + query[12]])
            if code is not None:
                question = query[12 : query.index(0, 12) + 5]
                head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, 0, 0, 0)
                udp.sendto(head + question, client)

    threading.Thread(target=answer, daemon=True).start()


def untrusted_context() -> ssl.SSLContext:
    """With a certificate for the right name, signed by somebody nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    someone = trustme.CA(key_type=trustme.KeyType.ECDSA)
    someone.issue_cert(NAME, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


KEPT: list[socket.socket] = []
"""What must stay as it is for as long as the process lives."""


def closed_port(family: int = socket.AF_INET, host: str = "127.0.0.1") -> str:
    """A port that nobody listens on, and nobody else gets."""
    reserved = socket.socket(family)
    reserved.bind((host, 0))
    KEPT.append(reserved)
    return str(reserved.getsockname()[1])


def full_backlog() -> str:
    """The port of a listener that accepts nobody any more."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    KEPT.append(listening)
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listening.getsockname())
        KEPT.append(filler)
    return str(listening.getsockname()[1])


def unix_sockets(folder: Path) -> None:
    """One that nobody may reach, and one that nobody listens on any more."""
    for name in ("forbidden", "stale"):
        (folder / name).mkdir()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(folder / name / "socket"))
        if name == "forbidden":
            listening.listen()
            KEPT.append(listening)
        else:
            listening.close()
    (folder / "forbidden").chmod(0)


def make(folder: Path) -> dict[str, Place]:
    """Start it all; where each fault is met. Whom to trust is in `folder`/authority.pem."""
    authority().cert_pem.write_to_path(os.fspath(folder / "authority.pem"))
    name_server()
    unix_sockets(folder)
    good = serve(say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))

    def here(behaviour: Callable[[socket.socket], None]) -> Place:
        return Place(address=f"127.0.0.1:{serve(behaviour)}")

    def under_tls(
        behaviour: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
    ) -> Place:
        return Place(address=f"{NAME}:{serve(behaviour, context)}", is_tls=True)

    def through(scheme: str, behaviour: Callable[[socket.socket], None]) -> Place:
        return Place(address="there.test:80", proxy=f"{scheme}://127.0.0.1:{serve(behaviour)}")

    return {
        "no such name": Place(address="nowhere.test:80"),
        "no such name, name servers asked": Place(address="nowhere.test:80", resolver="dns"),
        "a name without an address": Place(address="empty.test:80"),
        "the name server fails": Place(address="failing.test:80"),
        "the name server fails, name servers asked": Place(
            address="failing.test:80", resolver="dns"
        ),
        "the name server will not, name servers asked": Place(
            address="refusing.test:80", resolver="dns"
        ),
        "the name server is silent": Place(address="silent.test:80"),
        "the name server is silent, name servers asked": Place(
            address="silent.test:80", resolver="dns"
        ),
        "nobody listens": Place(address=f"127.0.0.1:{closed_port()}"),
        "nobody listens, IPv6": Place(address=f"[::1]:{closed_port(socket.AF_INET6, '::1')}"),
        "nobody listens on the Unix socket": Place(address=f"unix:{folder}/stale/socket"),
        "a firewall rejects with a reset": Place(address="127.0.0.62:80"),
        "no route": Place(address="192.0.2.1:80"),
        "an unreachable route": Place(address="192.0.2.2:80"),
        "a prohibited route": Place(address="192.0.2.3:80"),
        "a blackhole route": Place(address="192.0.2.4:80"),
        "a firewall says unreachable": Place(address="127.0.0.63:80"),
        "a full backlog": Place(address=f"127.0.0.1:{full_backlog()}"),
        "a firewall drops": Place(address="127.0.0.61:80"),
        "plaintext instead of TLS": under_tls(say(b"220 mail.test ready\r\n")),
        "closed in the handshake": under_tls(close),
        "reset in the handshake": under_tls(reset),
        "an expired certificate": under_tls(hang, server_context(is_expired=True)),
        "a certificate for another name": under_tls(hang, server_context("other.test")),
        "a self-signed certificate": under_tls(hang, self_signed_context()),
        "a certificate of an unknown authority": under_tls(hang, untrusted_context()),
        "an alert": under_tls(say(b"\x15\x03\x03\x00\x02\x02\x28")),
        "silent in the handshake": under_tls(hang),
        "closed before the reply": here(close),
        "reset before the reply": here(reset),
        "no reply": here(hang),
        "a reply that is not HTTP": here(say(b"220 mail.test ready\r\n")),
        "a head without end": here(
            say(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000, b"\r\n\r\n")
        ),
        "closed inside the head": here(say_and_close(b"HTTP/1.1 200 OK\r\nContent-Le")),
        "the proxy refuses": through(
            "http", say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        ),
        "the SOCKS proxy refuses": through("socks5", refuse_socks),
        "the proxy is silent": through("http", hang),
        "no such Unix socket": Place(address=f"unix:{folder}/missing"),
        "a forbidden Unix socket": Place(address=f"unix:{folder}/forbidden/socket"),
        "a local address of another machine": Place(
            address=f"127.0.0.1:{good}", local="192.0.2.77"
        ),
        "no descriptors": Place(address=f"127.0.0.1:{good}"),
        "the address to listen on is taken": Place(address=f"127.0.0.1:{good}"),
        "the peer does not read": here(never_read),
        "used after it closed": Place(address=f"127.0.0.1:{good}"),
    }
