"""Addresses as people write them: "host:port", "[v6]:port", "unix:path", "unix:@name".

This file knows how to read and to write them; it resolves nothing.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any


def parse_address(address: str, *, every_host: bool = False) -> tuple[int, Any]:
    """The family and where to: `AF_UNIX` with a path, or `AF_UNSPEC` with (host, port).

    Args:
        every_host: ":port" is an address too, with "" as the host: one to listen on.

    Raises:
        ValueError: it is not an address; the message says what is missing.

    >>> parse_address("127.0.0.1:80")[1], parse_address("[::1]:80")[1]
    (('127.0.0.1', 80), ('::1', 80))

    A name that begins with @ is no file's, but one in Linux's abstract namespace (unix(7)).

    >>> parse_address("unix:@name")[1]
    '\\x00name'
    """
    if any(character < " " or character == "\x7f" for character in address):
        raise ValueError(f"{address!r} has characters that no address has")
    if address.startswith("unix:"):
        path = address[5:]
        if not path:
            raise ValueError(f"{address!r} names no socket file")
        if path == "@":
            raise ValueError(f"{address!r} names no abstract socket")
        return socket.AF_UNIX, f"\0{path[1:]}" if path.startswith("@") else path
    host, colon, digits = address.rpartition(":")
    if not host.isprintable() or " " in host:
        raise ValueError(f"{address!r} has characters that no name has")
    if not colon or not (host or every_host):
        raise ValueError(f"{address!r} is not host:port, [v6]:port or unix:path")
    if not (digits.isascii() and digits.isdecimal() and int(digits) <= 65535):
        raise ValueError(f"{address!r}: the port is a number from 0 to 65535, got {digits!r}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{address!r}: an IPv6 address goes into brackets")
    return socket.AF_UNSPEC, (host, int(digits))


def format_address(family: int, where: Any) -> str:
    """What `getsockname` says, as people write it.

    >>> format_address(socket.AF_INET6, ("::1", 80, 0, 0))
    '[::1]:80'
    >>> format_address(socket.AF_UNIX, b"\\x00name")
    'unix:@name'
    """
    if family == socket.AF_UNIX:
        # Python's sockets have the abstract names as bytes.
        path = os.fsdecode(where)
        return f"unix:@{path[1:]}" if path.startswith("\0") else f"unix:{path}"
    host, port = where[0], where[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def literal(host: str) -> int | None:
    """`AF_INET` or `AF_INET6` where `host` is an address already, else None.

    >>> literal("::1") == socket.AF_INET6, literal("localhost")
    (True, None)
    """
    try:
        version = ipaddress.ip_address(host.partition("%")[0]).version
    except ValueError:
        return None
    return socket.AF_INET if version == 4 else socket.AF_INET6
