"""Names to addresses: what is known at once, what the cache has, what the system's resolver says.

Knows names and lookups, no socket. Whom else to ask is for who derives from `Resolver`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from tether.engine.scope import Scope
from tether.errors import Closed, NetworkError, ResolveError
from tether.stream.cache import Cache, CacheLimits, Lookup
from tether.stream.lookups import look_up
from tether.stream.name_files import (
    LOOPBACK,
    Address,
    FileContents,
    is_localhost,
    literal_address,
    parse_hosts,
    with_port,
)


class Resolver:
    """Finds the addresses of names through the system's resolver, in threads that nobody waits for.

    Literal addresses, `localhost` (RFC 6761) and the names of /etc/hosts are answered at once, all
    others are kept in a small cache. Who asks for a name that is being asked for shares the answer;
    when the last one gives up, the question is given up too. One resolver may serve any number of
    loops, each with its own cache.

    Args:
        cache: how many names are kept (default 256); 0 switches the cache off.
        min_ttl, max_ttl: seconds (1 and 300), the bounds of how long. The system does not tell how
            long its answers are good: they are kept for `min_ttl`.
        negative_ttl: seconds that a failure is kept (1).
        hosts: the hosts file, read again when it changed; "" for none.

    Raises:
        ValueError: a limit is negative, or `min_ttl` is above `max_ttl`.

    >>> import tether
    >>> async def main():
    ...     return await tether.Resolver().resolve("localhost", 80)
    >>> ("127.0.0.1", 80) in [where for family, where in tether.run(main())]
    True
    """

    def __init__(
        self,
        *,
        cache: int = 256,
        min_ttl: float = 1.0,
        max_ttl: float = 300.0,
        negative_ttl: float = 1.0,
        hosts: str = "/etc/hosts",
    ) -> None:
        self._limits = CacheLimits(cache, min_ttl, max_ttl, negative_ttl)
        self._hosts = FileContents(hosts, parse_hosts) if hosts else None
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Answers] = WeakKeyDictionary()

    async def resolve(
        self, host: str, port: int = 0, *, timeout: float | None = None
    ) -> list[Address]:
        """All addresses of `host` in the order in which to try them: (family, sockaddr).

        Args:
            host: a name or a literal address.
            port: what the addresses are completed with.
            timeout: seconds until `ResolveTimeout`; None waits for as long as the resolver does.

        Raises:
            ResolveError: there is no such name, or the resolver failed; `errno` is the EAI number.
            ResolveTimeout: no answer before the deadline.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        with self.ask(host) as lookup:
            try:
                async with asyncio.timeout(timeout):
                    while not lookup.is_over:
                        await asyncio.wait({lookup.news()})
            except TimeoutError:
                if not lookup.addresses:
                    raise lookup.too_late(host, loop.time() - started) from None
            if not lookup.addresses:
                raise lookup.failure(host, loop.time() - started)
            return [with_port(one, port) for one in lookup.addresses]

    @contextmanager
    def ask(self, host: str) -> Iterator[Lookup]:
        """A lookup of `host`, begun or joined, for as long as the block lasts.

        Where the answer is known it is over already.
        """
        loop = asyncio.get_running_loop()
        name = host.lower().removesuffix(".")
        lookup = self._known(name)
        if lookup is not None:
            yield lookup
            return
        answers = self._loops.get(loop)
        if answers is None:
            answers = self._loops[loop] = _Answers(self._limits)
        # With a dot at its end a name is complete: it is another one than without.
        name = host.lower()
        lookup = answers.cache.get(name, loop.time()) or answers.running.get(name)
        if lookup is None:
            lookup = Lookup(name)
            lookup.scope = Scope(getattr(loop, "scope"), name=f"lookup of {host}")  # noqa: B009
            answers.running[name] = lookup
            lookup.scope.spawn(self._run(lookup, answers))
        lookup.users += 1
        try:
            yield lookup
        finally:
            lookup.users -= 1
            if not lookup.users and not lookup.is_over:
                if lookup.addresses:
                    lookup.is_partial = True
                    answers.cache.put(lookup, loop.time())
                lookup.end(Closed("nobody waits for it"))
                answers.forget(lookup)

    def _known(self, name: str) -> Lookup | None:
        # What is answered at once, and never cached.
        literal = literal_address(name)
        if literal is not None:
            return Lookup(name, [literal], True, source="an address, nobody was asked")
        if is_localhost(name):
            addresses = usable_first(list(LOOPBACK))
            return Lookup(name, addresses, True, source="localhost is always this machine")
        if self._hosts is not None and (listed := self._hosts.read().get(name)):
            return Lookup(name, usable_first(listed), True, source=self._hosts.path)
        return None

    async def _run(self, lookup: Lookup, answers: _Answers) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._ask(lookup)
            lookup.end(ResolveError(phase="resolve", errno=socket.EAI_NODATA))
            answers.cache.put(lookup, loop.time())
        except NetworkError as error:
            lookup.end(error)
            answers.cache.put(lookup, loop.time())
        except asyncio.CancelledError:
            lookup.end(Closed("the loop's root scope closed"))
            raise
        except Exception as error:
            lookup.end(error)  # a fault of ours: each who asked sees it
        finally:
            answers.forget(lookup)

    async def _ask(self, lookup: Lookup) -> None:
        """Find the addresses of `lookup.host`: `lookup.found` for each answer, or raise."""
        lookup.silence = "the system's resolver did not answer"
        try:
            found = await look_up(
                socket.getaddrinfo, lookup.host, None, 0, socket.SOCK_STREAM, timeout=None
            )
        except socket.gaierror as error:
            reason = error.strerror.lower() if error.strerror else "name not found"
            raise ResolveError(
                f"{reason} (the system's resolver was asked)", phase="resolve", errno=error.errno
            ) from error
        except ValueError as error:
            raise no_name(error) from error
        lookup.source = "the system's resolver"
        lookup.found([(entry[0], entry[4]) for entry in found])


class _Answers:
    # What a resolver keeps for one loop.

    def __init__(self, limits: CacheLimits) -> None:
        self.cache = Cache(limits)
        self.running: dict[str, Lookup] = {}

    def forget(self, lookup: Lookup) -> None:
        if self.running.get(lookup.host) is lookup:
            del self.running[lookup.host]
        if lookup.scope is not None:
            lookup.scope.close()
            lookup.scope = None


def no_name(error: ValueError) -> ResolveError:
    """What is asked for can be no name at all."""
    return ResolveError(f"not a name: {error}", phase="resolve", errno=socket.EAI_NONAME)


def usable_first(addresses: list[Address]) -> list[Address]:
    """IPv6 before IPv4, but what this machine has no way to comes last (RFC 6724, rule 1).

    >>> usable_first([(socket.AF_INET, ("127.0.0.1", 0))])
    [(<AddressFamily.AF_INET: 2>, ('127.0.0.1', 0))]
    """
    return sorted(addresses, key=lambda one: (not _has_route(one), one[0] != socket.AF_INET6))


def _has_route(address: Address) -> bool:
    # A datagram socket that is connected sends nothing: the system only looks for the way.
    try:
        with socket.socket(address[0], socket.SOCK_DGRAM) as probe:
            probe.connect(with_port(address, 9)[1])
    except OSError:
        return False
    return True


#: The one that `connect` asks where it is given no other.
system_resolver = Resolver()
