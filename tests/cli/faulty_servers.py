"""What servers do to a doctor, for `tests.connect.proxies.proxy`, and how to read his report.

Knows sockets and the keys of the report.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from tests.connect.proxies import Asked, read_head


def says(reply: bytes) -> Callable[[socket.socket, Asked], None]:
    def serve(connection: socket.socket, asked: Asked) -> None:
        asked.heads.append(read_head(connection))
        connection.sendall(reply)
        while connection.recv(4096):
            pass

    return serve


def hangs(connection: socket.socket, asked: Asked) -> None:
    while connection.recv(4096):
        pass


def leaves(connection: socket.socket, asked: Asked) -> None:
    connection.recv(1)


OK = says(b"HTTP/1.1 200 OK\r\nServer: test\r\n\r\n")


def reads_then(data: bytes) -> Callable[[socket.socket, Asked], None]:
    def serve(connection: socket.socket, asked: Asked) -> None:
        connection.recv(4096)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        hangs(connection, asked)

    return serve


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def phases(report: Any) -> list[str]:
    return [one["phase"] for one in report["runs"][0]["phases"]]
