"""The other sides of the streams in the scope properties: plain sockets, which never block.

Knows bytes and addresses, nothing of tether.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from tests.plain_sockets import open_socket, reset

#: What clients send: every place in it is known by its byte.
PATTERN = bytes((index * 7 + (index >> 8) * 13) & 0xFF for index in range(1 << 20))


class Client:
    """One connection; it sends the pattern, and says how much of it was taken."""

    def __init__(self, address: str) -> None:
        self.socket = open_socket(address)
        self.socket.setblocking(False)
        self.sent = 0
        self.has_left = False
        """Whether the other side may have seen an end: of file, or of all."""
        self.is_closed = False

    def send(self, size: int) -> None:
        with suppress(OSError):
            self.sent += self.socket.send(PATTERN[self.sent : self.sent + size])

    def read(self) -> None:
        with suppress(OSError):
            while self.socket.recv(1 << 20):
                pass

    def leave(self, how: str) -> None:
        if self.is_closed:
            return
        self.has_left = True
        if how == "half":
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
            return
        self.is_closed = True
        if how == "reset":
            reset(self.socket)
        else:
            self.socket.close()
