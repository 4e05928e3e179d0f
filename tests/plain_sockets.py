"""The other side of a stream, as the operating system has it: plain blocking sockets.

Knows addresses, nothing of tether.
"""

from __future__ import annotations

import socket
import struct


def open_socket(address: str, *, receive_buffer: int = 0) -> socket.socket:
    """A blocking socket that is connected to "host:port" or "unix:path".

    Args:
        receive_buffer: bytes the system may keep for it (0: as it likes), to be a slow reader.
    """
    if address.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX)
        path = address[5:]
        where: str | tuple[str, int] = f"\0{path[1:]}" if path.startswith("@") else path
    else:
        host, port = address.rsplit(":", 1)
        client = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET)
        where = (host.strip("[]"), int(port))
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(10)
    try:
        client.connect(where)
    except BaseException:
        client.close()
        raise
    return client


def receive_all(client: socket.socket) -> bytes:
    """Everything up to the end of file."""
    pieces = []
    while piece := client.recv(1_000_000):
        pieces.append(piece)
    return b"".join(pieces)


def receive_exactly(client: socket.socket, size: int) -> bytes:
    """So many bytes, and not one more."""
    pieces = []
    while size:
        piece = client.recv(size)
        assert piece, "end of file"
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def reset(client: socket.socket) -> None:
    """Close with a reset instead of an end of file."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
