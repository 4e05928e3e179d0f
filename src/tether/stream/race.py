"""Which of a name's addresses answers first (RFC 8305, Happy Eyeballs).

Knows a lookup that may still grow, and attempts; deadlines are for who runs the race.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from tether.engine.scope import Scope
from tether.errors import (
    Attempt,
    ConnectTimeout,
    LocalError,
    NetworkError,
    from_errno,
)
from tether.stream.address import format_address
from tether.stream.cache import Lookup
from tether.stream.connecting import Connecting
from tether.stream.name_files import Address, with_port

#: RFC 8305, section 8: how long one attempt has before the next address is tried beside it, and
#: how long IPv4 waits for an answer about IPv6.
ATTEMPT_DELAY = 0.25
RESOLUTION_DELAY = 0.05


class Race:
    """The attempts of one connect, under one scope: the winner leaves it, the rest end with it.

    Args:
        scope: what the attempts end with.
        peer: who is meant, for the errors.
        lookup: the addresses; port 0 in them stands for `port`.
        local: the family and the address to connect from; only addresses of the family are tried.
    """

    def __init__(
        self, scope: Scope, peer: str, lookup: Lookup, port: int, local: Address | None = None
    ) -> None:
        self.scope = scope
        self.peer = peer
        self.lookup = lookup
        self.port = port
        self.local = local
        self.loop = asyncio.get_running_loop()
        self.begun: dict[Address, float] = {}
        self.attempts: list[Connecting] = []
        self.failures: dict[Address, Attempt] = {}

    def usable(self) -> list[Address]:
        """The addresses that are known and may be tried."""
        known = self.lookup.addresses
        return [one for one in known if self.local is None or one[0] == self.local[0]]

    async def first_addresses(self) -> None:
        """Until there is an address to begin with, or none to come."""
        while not self.usable() and not self.lookup.is_over:
            await asyncio.wait({self.lookup.news()})
        if self.local is not None and self.lookup.addresses and not self.usable():
            raise LocalError(
                f"no address of the family of the local address {self.local[1][0]}",
                phase="connect",
                peer=self.peer,
                attempts=self.tried(),
            )

    async def run(self) -> tuple[Connecting, Address]:
        """The first attempt that is connected, and where to.

        Raises:
            NetworkError: all failed; the error is that of the last in the preferred family.
        """
        waits_for_v6 = self.local is None or self.local[0] == socket.AF_INET6
        has_v6 = any(one[0] == socket.AF_INET6 for one in self.lookup.addresses)
        if waits_for_v6 and not has_v6 and not self.lookup.is_over:
            await asyncio.wait({self.lookup.news()}, timeout=RESOLUTION_DELAY)
        tasks: set[asyncio.Task[tuple[Connecting, Address] | None]] = set()
        winner: Connecting | None = None
        next_time = self.loop.time()
        try:
            while True:
                target = self.next_target()
                if target is not None and self.loop.time() >= next_time:
                    self.begun[target] = self.loop.time()
                    tasks.add(asyncio.create_task(self.attempt(target)))
                    next_time = self.begun[target] + ATTEMPT_DELAY
                    target = self.next_target()
                waits: set[asyncio.Future[Any]] = set(tasks)
                if not self.lookup.is_over:
                    waits.add(self.lookup.news())
                if not waits:
                    raise self.verdict()
                delay = None if target is None else max(0.0, next_time - self.loop.time())
                await asyncio.wait(waits, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
                for task in [one for one in tasks if one.done()]:
                    tasks.remove(task)
                    if (connected := task.result()) is not None:
                        winner = connected[0]
                        return connected
                    next_time = self.loop.time()  # a failure lets the next one begin at once
                if not tasks:
                    next_time = self.loop.time()
        finally:
            for task in tasks:
                task.cancel()
            for attempt in self.attempts:
                if attempt is not winner:
                    attempt.close()  # it must not be connected later, while there is a retry

    def next_target(self) -> Address | None:
        """What to try next: the families in turn (RFC 8305, section 4)."""
        rest = [one for one in self.usable() if one not in self.begun]
        if not rest or not self.begun:
            return rest[0] if rest else None
        last = next(reversed(self.begun))[0]
        return next((one for one in rest if one[0] != last), rest[0])

    async def attempt(self, target: Address) -> tuple[Connecting, Address] | None:
        family, where = target if target[0] == socket.AF_UNIX else with_port(target, self.port)
        local = None if self.local is None else self.local[1]
        attempt = Connecting(family, where, owner=self.scope, local=local)
        self.attempts.append(attempt)
        result = await attempt.done()
        if result == 0:
            return attempt, (family, where)
        elapsed = self.loop.time() - self.begun[target]
        error: NetworkError
        if attempt.failed_locally:
            error = LocalError(
                f"{os.strerror(result).lower()} (local address {_local_name(self.local)})",
                phase="connect",
                errno=result,
                peer=self.peer,
                address=shown(target),
                elapsed=elapsed,
            )
        else:
            error = from_errno(
                result,
                phase="connect",
                peer=self.peer,
                address=shown(target),
                elapsed=elapsed,
                unix=family == socket.AF_UNIX,
            )
        attempt.close()  # its descriptor is free for the next one
        self.failures[target] = Attempt(shown(target), error, elapsed)
        return None

    def tried(self) -> tuple[Attempt, ...]:
        """What failed so far, in the order in which it was begun."""
        return tuple(self.failures[one] for one in self.begun if one in self.failures)

    def verdict(self) -> NetworkError:
        """The error of the last attempt in the preferred family; it lists them all."""
        preferred = self.usable()[0][0]
        last = [one for one in self.begun if one[0] == preferred and one in self.failures][-1]
        error = self.failures[last].error
        assert isinstance(error, NetworkError)
        final = error.again()
        final.attempts = self.tried()
        return final

    def too_late(self, elapsed: float) -> NetworkError:
        """The deadline has passed: those that were silent until then failed, too."""
        silent = [one for one in self.begun if one not in self.failures]
        for target in silent:
            waited = self.loop.time() - self.begun[target]
            error = ConnectTimeout(peer=self.peer, address=shown(target), elapsed=waited)
            self.failures[target] = Attempt(shown(target), error, waited)
        address = shown(silent[-1]) if silent else ""
        return ConnectTimeout(
            peer=self.peer, address=address, elapsed=elapsed, attempts=self.tried()
        )


def shown(address: Address) -> str:
    """The address alone, as an error names it.

    >>> shown((socket.AF_INET, ("127.0.0.1", 80)))
    '127.0.0.1'
    """
    family, where = address
    if family == socket.AF_UNIX:
        return format_address(family, where).removeprefix("unix:")
    return str(where[0])


def _local_name(local: Address | None) -> str:
    assert local is not None
    return format_address(*local)
