"""Connecting: from "host:port" to a stream, or to one error that says why not.

Knows names, addresses and deadlines; a single attempt's socket is `connecting.pyx`'s business.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tether.engine.scope import Scope, current_scope
from tether.errors import Attempt, Closed, ConnectTimeout, NetworkError, from_errno, own_copy
from tether.stream.address import format_address, parse_address
from tether.stream.connecting import Connecting
from tether.stream.resolve import Address, resolve
from tether.stream.stream import Stream

#: RFC 8305, section 8: how long one attempt has before the next address is tried beside it.
ATTEMPT_DELAY = 0.25


async def connect(
    address: str, *, timeout: float | None = 10.0, owner: Scope | None = None
) -> Stream:
    """Connect to `address` and return the `Stream`.

    All addresses of a name are tried, a new one every 250 ms (RFC 8305), until one answers.

    Args:
        address: "host:port", "[v6]:port" or "unix:path".
        timeout: seconds for everything, the name included (default 10); None waits for ever.
        owner: the scope that owns the stream; the default is that of the running handler, else
            the loop's root.

    Raises:
        ResolveError, ResolveTimeout: the name has no address, or nobody said so in time.
        ConnectionRefused: nobody listens there.
        Unreachable: there is no way there.
        ConnectTimeout: silence until the deadline.
        SocketMissing, SocketForbidden: the Unix socket is not there, or not for us.
        LocalError: this machine ran out of descriptors or addresses.
        ValueError: `address` cannot be read.

    >>> import tether
    >>> async def main():
    ...     try:
    ...         await tether.connect("127.0.0.1:1")
    ...     except tether.ConnectionRefused as error:
    ...         return error.errno, error.phase, error.address
    >>> tether.run(main())
    (111, 'connect', '127.0.0.1')
    """
    loop = asyncio.get_running_loop()
    owner = owner or current_scope.get(None) or loop.scope  # type: ignore[attr-defined]
    started = loop.time()
    deadline = None if timeout is None else started + timeout
    kind, where = parse_address(address)
    targets: list[Address]
    if kind == socket.AF_UNIX:
        targets = [(kind, where)]
    else:
        targets = await resolve(*where, timeout=timeout, peer=address)
    race = _Race(owner, address, targets, started)
    try:
        async with asyncio.timeout_at(deadline):
            return await race.run()
    except TimeoutError as error:
        if isinstance(error, NetworkError):
            raise
        raise race.timed_out(loop.time() - started) from None
    finally:
        race.scope.close()


class _Race:
    # The attempts of one connect, under one scope: the winner leaves it, the rest end with it.

    def __init__(self, owner: Scope, peer: str, targets: list[Address], started: float) -> None:
        self.owner = owner
        self.peer = peer
        self.targets = targets
        self.started = started
        self.loop = asyncio.get_running_loop()
        self.scope = Scope(owner, name=f"connect {peer}")
        self.failures: dict[int, Attempt] = {}
        self.waiting: dict[int, float] = {}
        self.names: dict[Connecting, str] = {}

    async def run(self) -> Stream:
        tasks: set[asyncio.Task[Connecting | None]] = set()
        number = 0
        try:
            while number < len(self.targets) or tasks:
                if number < len(self.targets):
                    tasks.add(asyncio.create_task(self.attempt(number)))
                    number += 1
                delay = ATTEMPT_DELAY if number < len(self.targets) else None
                done, tasks = await asyncio.wait(
                    tasks, timeout=delay, return_when=asyncio.FIRST_COMPLETED
                )
                connected = [winner for one in done if (winner := one.result()) is not None]
                if self.scope.state != "open":
                    raise self.closed()
                if connected:
                    # Handed on here and not in the task, whose result a cancel could lose.
                    return connected[0].hand_on(
                        self.owner, self.reached(connected[0]), self.tried()
                    )
        finally:
            for task in tasks:
                task.cancel()
        raise self.verdict()

    async def attempt(self, number: int) -> Connecting | None:
        family, where = self.targets[number]
        began = self.waiting[number] = self.loop.time()
        attempt = Connecting(family, where, owner=self.scope)
        result = await attempt.done()
        if result == 0:
            self.names[attempt] = _name_of(self.peer, family, where)
            return attempt
        attempt.close()
        elapsed = self.loop.time() - began
        error = from_errno(
            result,
            phase="connect",
            peer=self.peer,
            address=_shown(family, where),
            elapsed=elapsed,
            unix=family == socket.AF_UNIX,
        )
        self.failures[number] = Attempt(_shown(family, where), error, elapsed)
        return None

    def reached(self, attempt: Connecting) -> str:
        """The address that answered, as people write it."""
        return self.names[attempt]

    def tried(self) -> tuple[Attempt, ...]:
        """What failed so far, in the order in which it was begun."""
        return tuple(self.failures[number] for number in sorted(self.failures))

    def closed(self) -> BaseException:
        """Why the connect is over where its owner closed meanwhile."""
        if self.owner.error is not None:
            return own_copy(self.owner.error)
        return Closed(f"{self.owner.name} is {self.owner.state}")

    def verdict(self) -> NetworkError:
        """The error of the last attempt in the preferred family; it lists them all."""
        preferred = self.targets[0][0]
        last = max(n for n in self.failures if self.targets[n][0] == preferred)
        error = self.failures[last].error
        assert isinstance(error, NetworkError)
        final = error.again()
        final.attempts = self.tried()
        final.elapsed = self.loop.time() - self.started
        return final

    def timed_out(self, elapsed: float) -> ConnectTimeout:
        silent = [n for n in self.waiting if n not in self.failures]
        family, where = self.targets[silent[-1] if silent else 0]
        shown = _shown(family, where)
        for number in silent:
            error = ConnectTimeout(peer=self.peer, address=_shown(*self.targets[number]))
            self.failures[number] = Attempt(error.address, error, elapsed)
        return ConnectTimeout(
            phase="connect",
            peer=self.peer,
            address=shown,
            elapsed=elapsed,
            attempts=self.tried(),
        )


def _shown(family: int, where: Any) -> str:
    return str(where) if family == socket.AF_UNIX else str(where[0])


def _name_of(peer: str, family: int, where: Any) -> str:
    return peer if family == socket.AF_UNIX else format_address(family, where)
