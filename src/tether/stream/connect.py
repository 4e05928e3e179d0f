"""Connecting: from "host:port" to a stream, or to one error that says why not.

Knows the phases, their deadlines and whose they are: resolve, connect, tunnel, tls. What happens in
each of them is the business of `resolve.py`, `race.py`, `tunnel.py` and `tls.pyx`.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLSession, create_default_context
from types import TracebackType
from typing import Any, TypeVar

from tether.engine.scope import Scope, current_scope
from tether.errors import Attempt, Closed, ConnectTimeout, NetworkError, own_copy
from tether.stream.address import format_address, literal, parse_address
from tether.stream.cache import Lookup
from tether.stream.name_files import Address, literal_address, with_port
from tether.stream.proxy import Proxy, parse_proxy
from tether.stream.race import Race
from tether.stream.resolve import Resolver, system_resolver
from tether.stream.retry import Retry, may_pass
from tether.stream.stream import Stream
from tether.stream.tunnel import open_tunnel

T = TypeVar("T")


async def connect(
    address: str,
    *,
    ssl: SSLContext | bool | None = None,
    server_hostname: str | None = None,
    timeout: float | None = 10.0,
    resolve_timeout: float | None = None,
    connect_timeout: float | None = None,
    tunnel_timeout: float | None = None,
    tls_timeout: float | None = None,
    tls_session: SSLSession | None = None,
    retries: Retry | int = 0,
    proxy: str | None = None,
    proxy_ssl: SSLContext | None = None,
    resolver: Resolver | None = None,
    local_address: str | None = None,
    owner: Scope | None = None,
) -> Stream:
    """Connect to `address` and return the `Stream`.

    All addresses of a name are tried, a new one every 250 ms (RFC 8305), until one answers.

    Args:
        address: "host:port", "[v6]:port" or "unix:path".
        ssl: a context for TLS, or True for the usual one: the system's authorities, the name is
            checked.
        server_hostname: the name that the certificate has to be for; the default is that of
            `address`.
        timeout: seconds for everything, retries included (default 10); None waits for ever.
        resolve_timeout, connect_timeout, tunnel_timeout, tls_timeout: seconds for each phase of
            each try; None leaves it to `timeout`.
        tls_session: that of an earlier connection's TLS with the same context, to go on with.
        retries: how often to try again what failed, or a `Retry` that says when, too.
        proxy: "http://user:password@host:port", "https://..." or "socks5://...": the way there
            leads through it, and it resolves the name.
        proxy_ssl: the context for TLS to an https proxy; the default is the usual one.
        resolver: who finds addresses, a `Resolver` or `DNSResolver`; the default asks the system.
        local_address: "host" or "host:port" of this machine to connect from.
        owner: the scope that owns the stream; the default is that of the running handler, else
            the loop's root.

    Raises:
        ResolveError, ResolveTimeout: the name has no address, or nobody said so in time.
        ConnectionRefused: nobody listens there.
        Unreachable: there is no way there.
        ConnectTimeout: silence until the deadline; `phase` says of what.
        SocketMissing, SocketForbidden: the Unix socket is not there, or not for us.
        TunnelError: the proxy refuses, with its answer.
        CertificateError, TLSAlert, TLSError: the handshake failed.
        LocalError: this machine ran out of descriptors or addresses.
        Closed: the owner closed meanwhile, or before; where it had a cause, that is raised.
        ValueError: `address`, or what else is given, cannot be read or does not fit together.

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
    kind, where = parse_address(address)
    is_unix = kind == socket.AF_UNIX
    local = None if local_address is None else _local(local_address)
    if is_unix and (proxy is not None or local is not None):
        raise ValueError("a Unix socket has no proxy and no local address")
    through = None if proxy is None else parse_proxy(proxy)
    if proxy_ssl is not None and (through is None or through.scheme != "https"):
        raise ValueError("proxy_ssl is for an https:// proxy")
    timeouts = (timeout, resolve_timeout, connect_timeout, tunnel_timeout, tls_timeout)
    if any(one is not None and not one >= 0 for one in timeouts):
        raise ValueError(f"a timeout is 0 seconds or more, or None: {timeouts}")
    connecting = _Connect(
        peer=address,
        where=where,
        proxy=through,
        proxy_context=proxy_ssl or usual_context()
        if through and through.scheme == "https"
        else None,
        context=_context_for(ssl, server_hostname),
        hostname=server_hostname or ("" if is_unix else _certificate_name(where[0])),
        resolver=resolver or system_resolver,
        local=local,
        retry=retries if isinstance(retries, Retry) else Retry(attempts=retries + 1),
        deadline=None if timeout is None else loop.time() + timeout,
        resolve_timeout=resolve_timeout,
        connect_timeout=connect_timeout,
        tunnel_timeout=tunnel_timeout,
        tls_timeout=tls_timeout,
        tls_session=tls_session,
        owner=owner,
        started=loop.time(),
    )
    if connecting.context and connecting.context.check_hostname and not connecting.hostname:
        raise ValueError("TLS over a Unix socket needs a server_hostname")
    async with _WhileOpen(owner, f"connect {address}") as scope:
        return await connecting.run(scope)


@dataclass(slots=True, kw_only=True)
class _Connect:
    # One connect: what is wanted, and what was tried so far.

    peer: str
    where: Any
    proxy: Proxy | None
    proxy_context: SSLContext | None
    context: SSLContext | None
    hostname: str
    resolver: Resolver
    local: Address | None
    retry: Retry
    deadline: float | None
    resolve_timeout: float | None
    connect_timeout: float | None
    tunnel_timeout: float | None
    tls_timeout: float | None
    tls_session: SSLSession | None
    owner: Scope
    started: float
    tried: list[Attempt] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def run(self, scope: Scope) -> Stream:
        number = 0
        while True:
            began = self.loop.time()
            number += 1
            try:
                return await self.once(scope)
            except NetworkError as error:
                self.tried += error.attempts or (
                    Attempt(error.address, error, self.loop.time() - began),
                )
                pause = self.retry.delay(number)
                if (
                    number >= self.retry.attempts
                    or not may_pass(error)
                    or (self.deadline is not None and self.loop.time() + pause >= self.deadline)
                ):
                    error.attempts = tuple(self.tried)
                    error.elapsed = self.loop.time() - self.started
                    raise
            await asyncio.sleep(pause)

    async def once(self, scope: Scope) -> Stream:
        """One try, through all phases."""
        stream, address, failed = await self.reach(scope)
        try:
            if self.proxy is not None:
                if self.proxy_context is not None:
                    with self.told(address, failed, of_proxy=True):
                        await self.encrypt(
                            stream, self.proxy_context, _certificate_name(self.proxy.host)
                        )
                with self.told(self.proxy.address, failed):
                    await self.within(
                        self.tunnel_timeout,
                        open_tunnel(
                            stream, self.proxy, *self.where, deadline=self.end(self.tunnel_timeout)
                        ),
                        lambda: ConnectTimeout("the proxy did not answer", phase="tunnel"),
                    )
            if self.context is not None:
                with self.told(address if self.proxy is None else "", failed):
                    await self.encrypt(stream, self.context, self.hostname, self.tls_session)
        except BaseException as error:
            if isinstance(error, NetworkError) and error.phase == "tls":
                stream.close()  # an alert is on its way
            else:
                stream.abort()
            raise
        return stream

    async def reach(self, scope: Scope) -> tuple[Stream, str, tuple[Attempt, ...]]:
        """A stream to the first address that answers, the address, and what failed before it."""
        to_proxy = self.proxy is not None
        where = parse_address(self.proxy.address)[1] if self.proxy is not None else self.where
        with self.addresses(where) as lookup, self.told("", (), of_proxy=to_proxy):
            peer = self.peer if self.proxy is None else self.proxy.address
            port = 0 if isinstance(where, str) else where[1]
            race = Race(scope, peer, lookup, port, self.local)
            began = self.loop.time()
            await self.within(
                self.resolve_timeout,
                race.first_addresses(),
                lambda: lookup.too_late(peer, self.loop.time() - began),
            )
            if not race.usable():
                raise lookup.failure(peer, self.loop.time() - began)
            winner, (family, reached) = await self.within(
                self.connect_timeout,
                race.run(),
                lambda: race.too_late(self.loop.time() - began),
            )
            # Handed on here and not in a task, whose result a cancel could lose.
            failed = race.tried()
            name = self.peer if isinstance(reached, str) else format_address(family, reached)
            stream = winner.hand_on(
                self.owner, name if self.proxy is None else self.peer, (*self.tried, *failed)
            )
            return stream, "" if isinstance(reached, str) else reached[0], failed

    @contextmanager
    def addresses(self, where: Any) -> Iterator[Lookup]:
        if isinstance(where, str):
            yield Lookup(where, [(socket.AF_UNIX, where)], True)
        else:
            with self.resolver.ask(where[0]) as lookup:
                yield lookup

    async def encrypt(
        self, stream: Stream, context: SSLContext, name: str, session: SSLSession | None = None
    ) -> None:
        end = self.end(self.tls_timeout)
        await stream.start_tls(
            context,
            server_hostname=name or None,
            handshake_timeout=None if end is None else max(0.0, end - self.loop.time()),
            session=session,
        )

    def end(self, seconds: float | None) -> float | None:
        """When a phase is over that has so many seconds, on the loop's clock."""
        own = None if seconds is None else self.loop.time() + seconds
        return min((one for one in (own, self.deadline) if one is not None), default=None)

    async def within(
        self, seconds: float | None, doing: Awaitable[T], late: Callable[[], NetworkError]
    ) -> T:
        """What `doing` gives, or `late()` where the phase's time is over, or that of them all."""
        try:
            async with asyncio.timeout_at(self.end(seconds)):
                return await doing
        except TimeoutError as error:
            if isinstance(error, NetworkError):
                raise
            raise late() from None

    @contextmanager
    def told(
        self, address: str, failed: tuple[Attempt, ...], *, of_proxy: bool = False
    ) -> Iterator[None]:
        """A failure inside is told as this connect's: whom it meant, what else it tried."""
        began = self.loop.time()
        try:
            yield
        except Closed:
            raise
        except NetworkError as error:
            mine = error.seen_from(
                peer=self.peer,
                address=address,
                elapsed=self.loop.time() - began,
                attempts=error.attempts,
            )
            if of_proxy and self.proxy is not None:
                mine.peer = self.proxy.address
                mine.reason += f" (the proxy for {self.peer})"
            if not mine.attempts:
                shown = mine.address
                own = mine.again()
                mine.attempts = (*failed, Attempt(shown, own, self.loop.time() - began))
            raise mine from error.__cause__


class _WhileOpen:
    # A scope under `owner` for as long as the block lasts. Where it is closed meanwhile, whoever is
    # inside is cancelled, and what leaves the block is why the owner closed.

    def __init__(self, owner: Scope, name: str) -> None:
        self.owner = owner
        self.name = name
        self.is_armed = True
        self.was_closed = False

    async def __aenter__(self) -> Scope:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.cancelling = task.cancelling()
        self.scope = Scope(self.owner, name=self.name)
        self.scope.own(self)
        return self.scope

    def close(self) -> None:
        """The scope closes."""
        if self.is_armed:
            self.is_armed = False
            self.was_closed = True
            self.task.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_armed = False
        self.scope.close()
        if not self.was_closed or self.task.uncancel() > self.cancelling:
            return
        if isinstance(error, asyncio.CancelledError):
            if self.owner.error is not None:
                raise own_copy(self.owner.error) from None
            raise Closed(f"{self.owner.name} is {self.owner.state}") from None


@functools.cache
def usual_context() -> SSLContext:
    """What `ssl=True` means. Made once: reading the authorities takes 20 ms."""
    return create_default_context()


def _context_for(ssl: SSLContext | bool | None, server_hostname: str | None) -> SSLContext | None:
    if ssl is None or ssl is False:
        if server_hostname is not None:
            raise ValueError("server_hostname is for TLS: give ssl=True or a context")
        return None
    if ssl is True:
        return usual_context()
    if not isinstance(ssl, SSLContext):
        raise TypeError(f"ssl is an ssl.SSLContext or True, got {ssl!r}")
    if ssl.protocol == PROTOCOL_TLS_SERVER:
        raise ValueError("the context is for servers: ssl.PROTOCOL_TLS_SERVER")
    return ssl


def _certificate_name(host: str) -> str:
    """What a certificate for the host says: no dot at the end, no zone of an address."""
    return host.partition("%")[0] if literal(host) is not None else host.removesuffix(".")


def _local(text: str) -> Address:
    address = literal_address(text.removeprefix("[").removesuffix("]"))
    if address is not None:
        return address
    host, port = parse_address(text)[1]
    address = literal_address(host)
    if address is None:
        raise ValueError(f"a local address is an address, not a name: {text!r}")
    return with_port(address, port)
