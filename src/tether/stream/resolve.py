"""Names to addresses, with a deadline that holds. Knows the system's resolver, no socket."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tether.errors import ResolveError, ResolveTimeout
from tether.stream.address import literal
from tether.stream.lookups import look_up

Address = tuple[int, Any]


async def resolve(host: str, port: int, *, timeout: float | None, peer: str) -> list[Address]:
    """The addresses of `host` in the order in which to try them: (family, sockaddr), alternating.

    Args:
        host: a name or a literal address, which is returned at once.
        port: what the addresses are completed with.
        timeout: seconds until `ResolveTimeout`, None to wait as long as the system does.
        peer: how the user wrote it, for the error.

    Raises:
        ResolveError: there is no such name, or the resolver failed; `errno` is the EAI number.
        ResolveTimeout: no answer before the deadline.
    """
    family = literal(host)
    if family is not None:
        where = (host, port) if family == socket.AF_INET else (host, port, 0, 0)
        return [(family, where)]
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        found = await look_up(
            socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM, timeout=timeout
        )
    except TimeoutError:
        elapsed = loop.time() - started
        raise ResolveTimeout(phase="resolve", peer=peer, elapsed=elapsed) from None
    except socket.gaierror as error:
        reason = error.strerror.lower() if error.strerror else "name not found"
        raise ResolveError(
            f"{reason} (the system's resolver was asked)",
            phase="resolve",
            errno=error.errno,
            peer=peer,
            elapsed=loop.time() - started,
        ) from error
    except ValueError as error:
        raise ResolveError(f"not a name: {error}", phase="resolve", peer=peer) from error
    return interleave([(entry[0], entry[4]) for entry in found])


def interleave(addresses: list[Address]) -> list[Address]:
    """Families in turn, beginning with that of the first address (RFC 8305, section 4).

    >>> interleave([(10, "a"), (10, "b"), (2, "c")])
    [(10, 'a'), (2, 'c'), (10, 'b')]
    """
    preferred = [one for one in addresses if one[0] == addresses[0][0]]
    others = [one for one in addresses if one[0] != addresses[0][0]]
    mixed: list[Address] = []
    while preferred or others:
        if preferred:
            mixed.append(preferred.pop(0))
        if others:
            mixed.append(others.pop(0))
    return mixed
