"""Real proxies on loopback, of plain sockets and threads: HTTP CONNECT, under TLS too, and SOCKS 5.

They share no code with tether. Each serves its connections until the block ends.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Asked:
    """What a proxy was told: the heads of the requests, or SOCKS' addresses."""

    address: str
    heads: list[str] = field(default_factory=list)


def splice(client: socket.socket, server: socket.socket) -> None:
    """Carry bytes both ways until one side ends. One thread: TLS may not be used by two at once."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in selector.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                data = source.recv(65536)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(65536)
                if not data:
                    return
                target.sendall(data)


@contextmanager
def proxy(
    serve: Callable[[socket.socket, Asked], None], context: ssl.SSLContext | None = None
) -> Iterator[Asked]:
    """One that calls `serve` in a thread for each connection, under TLS with a context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        asked = Asked("{}:{}".format(*listening.getsockname()))
        connections: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def one(connection: socket.socket) -> None:
            with suppress(OSError):
                if context is not None:
                    connection = context.wrap_socket(connection, server_side=True)
                serve(connection, asked)
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection = listening.accept()[0]
                    connection.settimeout(20)
                    connections.append(connection.dup())  # TLS takes the other one over
                    threads.append(threading.Thread(target=one, args=(connection,)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield asked
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for connection in connections:
                connection.close()


def read_head(connection: socket.socket) -> str:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            raise ConnectionError("the client left")
        head += piece
    return head.decode()


def tunnels(before: bytes = b"", after: bytes = b"") -> Callable[[socket.socket, Asked], None]:
    """Does as it is told; says `before` before its 200, and `after` right behind it."""

    def serve(connection: socket.socket, asked: Asked) -> None:
        asked.heads.append(read_head(connection))
        host, _, port = asked.heads[-1].split()[1].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as server:
            connection.sendall(before + b"HTTP/1.1 200 Established\r\nVia: a proxy\r\n\r\n" + after)
            splice(connection, server)

    return serve


def answers(reply: bytes, stays: bool = False) -> Callable[[socket.socket, Asked], None]:
    """Answers each CONNECT with `reply`, and then leaves, or stays silent until the client left."""

    def serve(connection: socket.socket, asked: Asked) -> None:
        asked.heads.append(read_head(connection))
        connection.sendall(reply)
        if stays:
            connection.recv(1)

    return serve


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("the client left")
        data += piece
    return data


def socks(
    login: tuple[bytes, bytes] | None = None, reply: int = 0
) -> Callable[[socket.socket, Asked], None]:
    """SOCKS 5 as RFC 1928 has it, with a login as RFC 1929 has it; or it refuses with `reply`."""

    def serve(connection: socket.socket, asked: Asked) -> None:
        version, count = receive(connection, 2)
        methods = receive(connection, count)
        method = 0 if login is None else 2
        if version != 5 or method not in methods:
            connection.sendall(b"\x05\xff")
            return
        connection.sendall(bytes([5, method]))
        if login is not None:
            user = receive(connection, receive(connection, 2)[1])
            password = receive(connection, receive(connection, 1)[0])
            connection.sendall(bytes([1, (user, password) != login]))
            if (user, password) != login:
                return
        _, command, _, kind = receive(connection, 4)
        if kind == 3:
            host = receive(connection, receive(connection, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, receive(connection, size))
        port = int.from_bytes(receive(connection, 2))
        asked.heads.append(f"{command} {kind} {host} {port}")
        bound = bytes([3, 4]) + b"name" + bytes(2) if kind == 3 else bytes([kind]) + bytes(size + 2)
        if reply:
            connection.sendall(bytes([5, reply, 0]) + bound)
            return
        with socket.create_connection((host, port)) as server:
            connection.sendall(bytes([5, 0, 0]) + bound)
            splice(connection, server)

    return serve
