"""What the machine's files say of names: /etc/hosts and /etc/resolv.conf, read again when changed.

Knows their grammar; asks nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any, Generic, TypeVar

from tether.stream.address import literal

T = TypeVar("T")

#: An address as `connect` of a socket takes it, with port 0 until `with_port` completes it.
Address = tuple[int, Any]

#: Limits of resolv.conf, as the system's resolver has them.
MOST_SERVERS, MOST_ATTEMPTS, LONGEST_TIMEOUT, MOST_DOTS = 3, 5, 30.0, 15

LOOPBACK: tuple[Address, ...] = ((AF_INET6, ("::1", 0, 0, 0)), (AF_INET, ("127.0.0.1", 0)))


class FileContents(Generic[T]):
    """What `parse` makes of a text file, parsed again when the file is another one.

    Args:
        path: the file; one that cannot be read counts as empty.
        parse: called with the file's text.
    """

    def __init__(self, path: str, parse: Callable[[str], T]) -> None:
        self.path = path
        self.parse = parse
        self.seen: object = None
        self.value: T

    def read(self) -> T:
        """The current contents."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 a hundred thousand times a second
            seen: object = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)
        except OSError:
            seen = "missing"
        if seen != self.seen:
            try:
                text = Path(self.path).read_text("utf-8", errors="replace")
            except OSError:
                text = ""
            self.value = self.parse(text)
            self.seen = seen
        return self.value


def with_port(address: Address, port: int) -> Address:
    """The address, completed.

    >>> with_port(LOOPBACK[0], 80)[1], with_port(LOOPBACK[1], 80)[1]
    (('::1', 80, 0, 0), ('127.0.0.1', 80))
    """
    family, where = address
    return family, (where[0], port, *where[2:])


def literal_address(text: str) -> Address | None:
    """`text` as an address, where it is one.

    >>> literal_address("127.0.0.1")[1], literal_address("localhost")
    (('127.0.0.1', 0), None)
    """
    family = literal(text)
    if family is None:
        return None
    return (family, (text, 0)) if family == AF_INET else (family, (text, 0, 0, 0))


def is_localhost(name: str) -> bool:
    """Whether the name always means this machine (RFC 6761, section 6.3).

    >>> is_localhost("a.localhost"), is_localhost("localhost.test")
    (True, False)
    """
    return name == "localhost" or name.endswith(".localhost")


def parse_hosts(text: str) -> dict[str, list[Address]]:
    """The names of a hosts file, each with its addresses in the file's order.

    >>> parse_hosts("127.0.0.2  a.test A # the first\\n::1 a.test")["a.test"]
    ... # doctest: +NORMALIZE_WHITESPACE
    [(<AddressFamily.AF_INET: 2>, ('127.0.0.2', 0)),
     (<AddressFamily.AF_INET6: 10>, ('::1', 0, 0, 0))]
    """
    found: dict[str, list[Address]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        address = literal_address(words[0]) if words else None
        if address is None:
            continue
        for name in words[1:]:
            addresses = found.setdefault(name.lower().rstrip("."), [])
            if address not in addresses:
                addresses.append(address)
    return found


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """What /etc/resolv.conf says.

    Args:
        servers: addresses of name servers, in the order in which to ask them.
        search: domains to complete a short name with.
        ndots: a name with at least so many dots is asked as it is first.
        timeout: seconds that a server gets for its answer.
        attempts: how often each server is asked.
    """

    servers: tuple[str, ...] = ("127.0.0.1",)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: float = 2.0
    attempts: int = 2


def parse_resolv_conf(text: str) -> ResolverSettings:
    """The settings that are in the file; what nobody knows is passed over.

    >>> parse_resolv_conf("nameserver 192.0.2.1\\nsearch a.test b.test\\noptions ndots:2 rotate")
    ... # doctest: +NORMALIZE_WHITESPACE
    ResolverSettings(servers=('192.0.2.1',), search=('a.test', 'b.test'), ndots=2, timeout=2.0,
                     attempts=2)
    """
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and literal(words[1]) is not None:
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            # The last line counts. A dot alone is the root: nothing to complete with.
            named = words[1:] if words[0] == "search" else words[1:2]
            search = tuple(domain for word in named if (domain := word.strip(".")))
        elif words[0] == "options":
            for word in words[1:]:
                name, _, digits = word.partition(":")
                if digits.isascii() and digits.isdecimal():
                    options[name] = int(digits[:4])
    usual = ResolverSettings()
    return ResolverSettings(
        tuple(servers[:MOST_SERVERS]) or usual.servers,
        search,
        min(options.get("ndots", usual.ndots), MOST_DOTS),
        min(max(options.get("timeout", usual.timeout), 1), LONGEST_TIMEOUT),
        min(max(options.get("attempts", usual.attempts), 1), MOST_ATTEMPTS),
    )
