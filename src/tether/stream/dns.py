"""Names from name servers, asked by this loop without a thread (RFC 1035, by way of pycares).

Knows servers, search domains and what each server said; packets and sockets are c-ares' business,
one channel for each server of each lookup, so that whatever a lookup has ends with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tether.errors import Attempt
from tether.stream.address import format_address, literal
from tether.stream.ares import (
    BAD_NAME,
    KINDS,
    NEGATIVE,
    NO_DATA,
    NOT_FOUND,
    TIMEOUT,
    Answer,
    Channel,
)
from tether.stream.cache import Lookup
from tether.stream.name_files import (
    FileContents,
    ResolverSettings,
    parse_resolv_conf,
    with_port,
)
from tether.stream.resolve import Resolver, no_name, usable_first

SHORTEST_TIMEOUT = 0.25  # c-ares gives no server less


class DNSResolver(Resolver):
    """Finds the addresses of names by asking name servers itself: no thread, and times to live.

    It tells apart a name that does not exist, a server that fails and one that is silent, and says
    which server said so; `attempts` of the error has each of them. A and AAAA are asked at the same
    time, and each is handed on as it comes. Needs pycares (`pip install tether[dns]`).

    Args:
        servers: name servers, "192.0.2.1" or "192.0.2.1:5353" or "[2001:db8::1]:53", asked in this
            order. Left out: those of /etc/resolv.conf, which is read again when it changed, and so
            for what else is left out.
        search: domains to complete short names with.
        ndots: a name with at least so many dots is asked as it is first (1).
        server_timeout: seconds that a server gets before the next one is asked (2); 0.25 or more.
        attempts: how often each server is asked (2).
        cache, min_ttl, max_ttl, negative_ttl, hosts: as in `Resolver`; the name servers say how
            long their answers are good, within `min_ttl` and `max_ttl`.
        resolv_conf: the file to read.

    Raises:
        ImportError: pycares is not installed.
        ValueError: a server is no address, or a limit is out of bounds.
    """

    def __init__(
        self,
        servers: Sequence[str] | None = None,
        *,
        search: Sequence[str] | None = None,
        ndots: int | None = None,
        server_timeout: float | None = None,
        attempts: int | None = None,
        cache: int = 256,
        min_ttl: float = 1.0,
        max_ttl: float = 300.0,
        negative_ttl: float = 1.0,
        hosts: str = "/etc/hosts",
        resolv_conf: str = "/etc/resolv.conf",
    ) -> None:
        super().__init__(
            cache=cache, min_ttl=min_ttl, max_ttl=max_ttl, negative_ttl=negative_ttl, hosts=hosts
        )
        try:
            import pycares
        except ImportError as error:
            raise ImportError("DNSResolver needs pycares: pip install tether[dns]") from error
        if isinstance(servers, str) or isinstance(search, str):
            raise TypeError("servers and search are lists of strings")
        if servers is not None and not servers:
            raise ValueError("without a name server nobody can be asked")
        if server_timeout is not None and not server_timeout >= SHORTEST_TIMEOUT:
            raise ValueError(f"a server gets {SHORTEST_TIMEOUT} s or more, got {server_timeout}")
        if attempts is not None and attempts < 1:
            raise ValueError(f"attempts are 1 or more, got {attempts}")
        self._pycares = pycares
        self._servers = None if servers is None else tuple(map(_server, servers))
        self._search = None if search is None else tuple(one.strip(".").lower() for one in search)
        self._ndots = ndots
        self._timeout = server_timeout
        self._attempts = attempts
        self._file = FileContents(resolv_conf, parse_resolv_conf)

    def settings(self) -> ResolverSettings:
        """Whom it asks and how: what it was given, completed by /etc/resolv.conf."""
        read = self._file.read()
        return ResolverSettings(
            tuple(map(_server, read.servers)) if self._servers is None else self._servers,
            read.search if self._search is None else self._search,
            read.ndots if self._ndots is None else self._ndots,
            read.timeout if self._timeout is None else self._timeout,
            read.attempts if self._attempts is None else self._attempts,
        )

    async def _ask(self, lookup: Lookup) -> None:
        settings = self.settings()
        try:
            host = lookup.host if lookup.host.isascii() else lookup.host.encode("idna").decode()
        except UnicodeError as error:
            raise no_name(error) from error
        assert lookup.scope is not None
        channels = [
            Channel(self._pycares, lookup.scope, server, settings.timeout)
            for server in settings.servers
        ]
        said: list[Answer] = []
        for name in _candidates(host, settings):
            said = []
            verdicts = await self._ask_both(lookup, name, channels * settings.attempts, said)
            if lookup.addresses:
                return
            if any(one.number not in NEGATIVE for one in verdicts):
                break  # the name may be there: what it means must not depend on a failing server
        worst = max(verdicts, key=_weight)
        if worst.number == BAD_NAME:
            raise no_name(ValueError(f"{host!r} is no domain name"))
        failure = worst.error(said)
        distinct = {(one.server, one.number): one for one in said}  # both are mostly told the same
        failure.attempts = tuple(_attempt(one) for one in distinct.values())
        raise failure

    async def _ask_both(
        self, lookup: Lookup, name: str, channels: list[Channel], said: list[Answer]
    ) -> list[Answer]:
        """The answers that count, about IPv6 and about IPv4; `said` is told all of them."""
        tasks = [
            asyncio.ensure_future(self._ask_servers(lookup, name, kind, channels, said))
            for kind in KINDS
        ]
        try:
            verdicts = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        lookup.is_partial = any(one.number not in (0, *NEGATIVE) for one in verdicts)
        return verdicts

    async def _ask_servers(
        self, lookup: Lookup, name: str, kind: int, channels: list[Channel], said: list[Answer]
    ) -> Answer:
        worst: Answer | None = None
        for channel in channels:
            told = ", ".join(dict.fromkeys(one.text() for one in said))
            lookup.silence = f"name server {told and told + ', '}{channel.server} did not answer"
            answer = await channel.query(name, kind)
            if answer.number == 0:
                lookup.source = f"name server {answer.server}"
                lookup.found(answer.addresses, answer.ttl)
                lookup.addresses[:] = usable_first(lookup.addresses)
                return answer
            said.append(answer)
            if answer.number in (*NEGATIVE, BAD_NAME):
                return answer  # no other server has another one
            lookup.attempts.append(_attempt(answer))
            worst = max(worst or answer, answer, key=_weight)
        assert worst is not None, "there is a server"
        return worst


def _server(text: str) -> str:
    """As c-ares takes it, with its port."""
    family = literal(text)
    if family is not None:
        host, port = text, 53
    else:
        host, _, digits = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        family = literal(host)
        if family is None or not (digits.isascii() and digits.isdecimal()):
            raise ValueError(f"a name server is an address, with or without a port: {text!r}")
        port = int(digits)
        if not 0 < port < 65536:
            raise ValueError(f"a port is a number from 1 to 65535: {text!r}")
    return format_address(family, with_port((family, (host, 0)), port)[1])


def _candidates(host: str, settings: ResolverSettings) -> list[str]:
    """The full names that a name may mean, in the order in which to ask for them.

    >>> _candidates("a", ResolverSettings(search=("x.test",)))
    ['a.x.test', 'a']
    >>> _candidates("a.b", ResolverSettings(search=("x.test",)))
    ['a.b', 'a.b.x.test']
    """
    if host.endswith("."):
        return [host[:-1]]
    completed = [f"{host}.{domain}" for domain in settings.search]
    return [host, *completed] if host.count(".") >= settings.ndots else [*completed, host]


def _weight(answer: Answer) -> int:
    # Of several answers, the one that says most: a failure before silence, that before "no".
    if answer.number in (0, NOT_FOUND):
        return 0
    if answer.number == NO_DATA:
        return 1
    return 2 if answer.number == TIMEOUT else 3


def _attempt(answer: Answer) -> Attempt:
    return Attempt(answer.server, answer.error([answer]), answer.elapsed)
