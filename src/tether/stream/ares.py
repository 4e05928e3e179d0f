"""One name server, asked through c-ares by a lookup's scope.

Knows pycares, and what its numbers mean; no name, no other server, no cache.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from tether.engine.events import READ, WRITE
from tether.errors import NetworkError, ResolveError, ResolveTimeout, from_errno
from tether.stream.name_files import Address, literal_address

if TYPE_CHECKING:
    from tether.engine.members import Timer
    from tether.engine.scope import Scope
    from tether.engine.watch import Watch

#: c-ares' numbers: what each means, and the EAI number that the system's resolver has for it.
NO_DATA, NOT_FOUND, BAD_NAME, NO_SERVER, TIMEOUT = 1, 4, 8, 11, 12
NEGATIVE = frozenset({NO_DATA, NOT_FOUND})
ANSWERS = {
    NO_DATA: ("no address of that name", "has no address", socket.EAI_NODATA),
    2: ("malformed query", "answered FORMERR", socket.EAI_FAIL),
    3: ("the name server failed", "answered SERVFAIL", socket.EAI_AGAIN),
    NOT_FOUND: ("no such name", "answered NXDOMAIN", socket.EAI_NONAME),
    5: ("the name server cannot", "answered NOTIMP", socket.EAI_FAIL),
    6: ("the name server will not", "answered REFUSED", socket.EAI_AGAIN),
    10: ("the name server's answer is broken", "sent a broken answer", socket.EAI_FAIL),
    NO_SERVER: ("no name server there", "cannot be reached", socket.EAI_AGAIN),
    TIMEOUT: ("no answer", "did not answer", socket.EAI_AGAIN),
}
KINDS = (28, 1)  # AAAA first, and A right after it (RFC 8305, section 3)


@dataclass(slots=True)
class Answer:
    """What one server said to one question.

    Args:
        server: "address:port"; `elapsed`: seconds that it took.
        number: c-ares' number, 0 where there are addresses.
        addresses: of the family that was asked for; `ttl`: seconds that they are good.
    """

    server: str
    number: int
    elapsed: float
    addresses: list[Address] = field(default_factory=list)
    ttl: float = 0.0

    def text(self) -> str:
        """In words, the server first."""
        return f"{self.server} {ANSWERS.get(self.number, ('', f'error {self.number}', 0))[1]}"

    def error(self, others: list[Answer]) -> NetworkError:
        """This as a failure, which names all servers that were asked."""
        reason, _, number = ANSWERS.get(self.number, ("lookup failed", "", socket.EAI_FAIL))
        told = ", ".join(dict.fromkeys(one.text() for one in others))
        if self.number == TIMEOUT:
            return ResolveTimeout(f"name server {told}", phase="resolve", elapsed=self.elapsed)
        return ResolveError(
            f"{reason} (name server {told})", phase="resolve", errno=number, elapsed=self.elapsed
        )


class Channel:
    """One name server, for one lookup: c-ares' sockets watched, and its timers kept, by a scope.

    Args:
        module: pycares, which need not be installed where nobody asks for it.
        scope: what it ends with.
        server: "address:port".
        timeout: seconds that the server gets for an answer.
    """

    def __init__(self, module: Any, scope: Scope, server: str, timeout: float) -> None:
        self.module = module
        self.scope = scope
        self.server = server
        self.watches: dict[int, Watch] = {}
        self.timer: Timer | None = None
        self.waiting = 0
        self.loop = asyncio.get_running_loop()
        # pycares keeps what it calls until it frees another channel: that must not be a loop.
        method = WeakMethod(self.changed)

        def changed(fd: int, wants_read: bool, wants_write: bool) -> None:
            alive = method()
            if alive is not None:
                alive(fd, wants_read, wants_write)

        self.channel = module.Channel(
            servers=[server], timeout=timeout, tries=1, sock_state_cb=changed
        )
        scope.own(self)

    def close(self) -> None:
        """Its sockets are closed when this returns; pycares frees memory in a thread of its own."""
        self.channel.cancel()
        self.channel.close()

    async def query(self, name: str, kind: int) -> Answer:
        """What the server says about `name`; `kind` is one of `KINDS`.

        Raises:
            LocalError: this machine has no socket left.
        """
        answer: asyncio.Future[tuple[Any, int | None]] = self.loop.create_future()
        began = self.loop.time()

        def told(result: Any, number: int | None) -> None:
            self.waiting -= 1
            if not answer.done():
                answer.set_result((result, number))

        self.waiting += 1
        try:
            self.channel.query(name, kind, callback=told)
        except self.module.AresError as error:  # it was told by the callback, too
            if not answer.done():
                told(None, error.args[0])
        self.keep_time()
        result, number = await answer
        if number == NO_SERVER:
            _need_socket()
        records = [] if result is None else result.answer
        addresses = [
            address
            for record in records
            if record.type == kind and (address := literal_address(record.data.addr)) is not None
        ]
        elapsed = self.loop.time() - began
        if not addresses:
            return Answer(self.server, number or NO_DATA, elapsed)
        ttl = float(min(record.ttl for record in records))
        return Answer(self.server, 0, elapsed, addresses, ttl)

    def changed(self, fd: int, wants_read: bool, wants_write: bool) -> None:
        """c-ares opened, uses otherwise or is about to close a socket."""
        watch = self.watches.get(fd)
        events = READ * bool(wants_read) | WRITE * bool(wants_write)
        if not events:
            if watch is not None:
                self.watches.pop(fd).cancel()
        elif watch is not None:
            watch.change(events)
        elif self.scope.state == "open":

            def ready(what: int) -> None:
                bad = self.module.ARES_SOCKET_BAD
                self.channel.process_fd(fd if what & READ else bad, fd if what & WRITE else bad)
                self.keep_time()

            self.watches[fd] = self.scope.watch(fd, events, ready)

    def keep_time(self) -> None:
        """Set the timer to when c-ares has something to do next."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.waiting and self.scope.state == "open":
            self.timer = self.scope.after(self.channel.timeout(), self.tick)

    def tick(self) -> None:
        """c-ares has something to do, such as to give up."""
        bad = self.module.ARES_SOCKET_BAD
        self.channel.process_fd(bad, bad)
        self.keep_time()


def _need_socket() -> None:
    """c-ares does not tell a server that is not there from a machine without descriptors.

    Raises:
        LocalError: no socket is to be had.
    """
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        raise from_errno(error.errno or 0, phase="resolve") from error
