"""A connection, one phase after another, with every address tried: what `tether doctor` reports.

Knows the phases and what each of them can tell; no command line, no words for people, no protocol
above TLS. It is made of the same parts as `connect.py`, so it meets the same failures.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from tether.engine.scope import Scope
from tether.errors import Attempt, CertificateError, ConnectTimeout, NetworkError
from tether.stream.address import format_address, literal, parse_address
from tether.stream.cache import Lookup
from tether.stream.name_files import Address
from tether.stream.proxy import Proxy
from tether.stream.race import ATTEMPT_DELAY, Race, shown
from tether.stream.resolve import Resolver
from tether.stream.stream import Stream
from tether.stream.tls_facts import TLSFacts, TLSWanted, facts_of
from tether.stream.tunnel import open_tunnel

T = TypeVar("T")


@dataclass(slots=True)
class PhaseResult:
    """One phase: its name in `tether.errors.PHASES`, its seconds, and what it failed with.

    `of_proxy` says that it was about TLS to the proxy.
    """

    name: str
    elapsed: float
    error: NetworkError | None = None
    of_proxy: bool = False


@dataclass(slots=True)
class AddressResult:
    """One address, tried on its own: `local` is where it was connected from, "" if it was not."""

    address: str
    elapsed: float
    local: str = ""
    error: NetworkError | None = None


@dataclass(slots=True)
class Names:
    """What the resolver said: whom it asked, and for how many seconds the answer is good.

    `is_complete` is false where it did not say all before the others had to begin.
    """

    source: str = ""
    ttl: float | None = None
    attempts: tuple[Attempt, ...] = ()
    is_complete: bool = True


@dataclass(slots=True)
class Diagnosis:
    """What came of one run. `error` is why it ended early, None where everything went well."""

    phases: list[PhaseResult] = field(default_factory=list)
    names: Names = field(default_factory=Names)
    addresses: list[AddressResult] = field(default_factory=list)
    used: AddressResult | None = None
    tls: TLSFacts | None = None

    @property
    def error(self) -> NetworkError | None:
        """The failure of the last phase, where it failed."""
        return self.phases[-1].error if self.phases else None


#: What came of one attempt: seconds, and a stream or an error.
Outcome: TypeAlias = tuple[float, Stream | NetworkError]
#: One address, and the task that tries it.
Try: TypeAlias = tuple[AddressResult, asyncio.Task[Outcome]]


@dataclass(kw_only=True, slots=True)
class Diagnosing:
    """What to try, and how.

    Args:
        address: "host:port", "[v6]:port" or "unix:path".
        tls: how to speak TLS, None for not at all.
        proxy: the way leads through it; `proxy_context`: for TLS to an https proxy.
        resolver: who finds addresses.
        timeout: seconds for everything.
        last: what to do with the connected stream, as (phase, function of stream and seconds).
    """

    address: str
    tls: TLSWanted | None = None
    proxy: Proxy | None = None
    proxy_context: ssl.SSLContext | None = None
    resolver: Resolver
    timeout: float = 10.0
    last: tuple[str, Callable[[Stream, float], Awaitable[object]]] | None = None
    deadline: float = 0.0

    async def run(self) -> Diagnosis:
        """Go through all phases until one fails; it raises nothing that the network can cause."""
        loop = asyncio.get_running_loop()
        self.deadline = loop.time() + self.timeout
        report = Diagnosis()
        async with Scope(name=f"doctor of {self.address}") as scope:
            try:
                await self._phases(scope, report)
            except NetworkError as error:
                assert report.error is error
            finally:
                scope.abort()
        return report

    @property
    def way(self) -> str:
        """Where the connection goes first."""
        return self.address if self.proxy is None else self.proxy.address

    async def _phases(self, scope: Scope, report: Diagnosis) -> None:
        family, where = parse_address(self.way)
        if family == socket.AF_UNIX:
            lookup = Lookup(where, [(socket.AF_UNIX, where)], True, source="a path")
            report.names = Names(lookup.source)
            port = 0
        else:
            port = where[1]
            lookup = await self._timed(report, "resolve", self._resolve(report, where[0]))
        tries = [
            (AddressResult(shown(one), 0.0), asyncio.create_task(self._try(scope, one, port)))
            for one in lookup.addresses
        ]
        report.addresses = [result for result, _ in tries]
        try:
            try:
                stream = await self._timed(report, "connect", self._first(report, tries))
                report.used = next(one for one in report.addresses if one.local)
                await self._talk(scope, report, stream, lookup.addresses, port)
            except NetworkError:
                await self._others(tries)
                raise
            await self._others(tries)
        finally:
            for _, task in tries:
                task.cancel()

    async def _others(self, tries: list[Try]) -> None:
        # Those that are still silent have until the deadline, and are told of, too.
        for result, task in tries:
            self._note(result, await task)

    async def _talk(
        self, scope: Scope, report: Diagnosis, stream: Stream, known: list[Address], port: int
    ) -> None:
        # What comes after the connection.
        if self.proxy is not None:
            if self.proxy_context is not None:
                context, host = self.proxy_context, self.proxy.host
                encrypting = self._encrypt(stream, context, host)
                await self._timed(report, "tls", encrypting, of_proxy=True)
            await self._timed(report, "tunnel", self._tunnel(stream))
        if self.tls is not None:
            assert report.used is not None
            used = next(one for one in known if shown(one) == report.used.address)
            name = self.tls.hostname
            try:
                encrypting = self._encrypt(stream, self.tls.context(), name)
                await self._timed(report, "tls", encrypting)
            except CertificateError:
                report.tls = await self._refused(scope, self.tls, used, port)
                raise
            assert stream.tls is not None
            chain = None
            if not self.tls.verify:
                judged = await self._again(scope, used, port, self.tls.signatures(), name)
                chain = judged if isinstance(judged, NetworkError) else None
            report.tls = facts_of(stream.tls, name, chain=chain, is_accepted=True)
        if self.last is not None:
            name, ask = self.last
            await self._timed(report, name, ask(stream, self._left()))

    async def _timed(
        self, report: Diagnosis, name: str, doing: Awaitable[T], *, of_proxy: bool = False
    ) -> T:
        loop = asyncio.get_running_loop()
        began = loop.time()
        result = PhaseResult(name, 0.0, of_proxy=of_proxy)
        report.phases.append(result)
        try:
            return await doing
        except NetworkError as error:
            result.error = error
            raise
        finally:
            result.elapsed = loop.time() - began

    def _left(self) -> float:
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    async def _resolve(self, report: Diagnosis, host: str) -> Lookup:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with self.resolver.ask(host) as lookup:
            try:
                async with asyncio.timeout_at(self.deadline):
                    while not lookup.addresses and not lookup.is_over:
                        await asyncio.wait({lookup.news()})
                # Where one family is known, the other one must not use up the time for the rest.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._left() / 2):
                        while not lookup.is_over:
                            await asyncio.wait({lookup.news()})
            except TimeoutError:
                raise lookup.too_late(self.way, loop.time() - began) from None
            finally:
                report.names = Names(
                    lookup.source, lookup.ttl, tuple(lookup.attempts), lookup.is_over
                )
            if not lookup.addresses:
                failure = lookup.failure(self.way, loop.time() - began)
                report.names.attempts = getattr(failure, "attempts", ())
                raise failure
            return lookup

    async def _try(self, scope: Scope, one: Address, port: int) -> Outcome:
        """Seconds, and the connected stream or why there is none."""
        loop = asyncio.get_running_loop()
        race = Race(scope, self.way, Lookup("", [one], True), port)
        began = loop.time()
        try:
            async with asyncio.timeout_at(self.deadline):
                winner, (family, reached) = await race.run()
            name = self.address if family == socket.AF_UNIX else format_address(family, reached)
            return loop.time() - began, winner.hand_on(scope, name)
        except NetworkError as error:
            return loop.time() - began, error
        except TimeoutError:
            return loop.time() - began, race.too_late(loop.time() - began)

    def _note(self, result: AddressResult, outcome: Outcome) -> Stream | None:
        result.elapsed, said = outcome
        if isinstance(said, NetworkError):
            result.error = said
            return None
        assert isinstance(said, Stream)
        result.local = result.local or _local_address(said)
        return said

    async def _first(
        self,
        report: Diagnosis,
        tries: list[Try],
    ) -> Stream:
        """The stream that a connect would have got: the first that answered, in the given order."""
        done, pending = await asyncio.wait({task for _, task in tries}, timeout=ATTEMPT_DELAY)
        while pending and not any(isinstance(task.result()[1], Stream) for task in done):
            more, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        chosen: Stream | None = None
        failure: NetworkError | None = None
        for result, task in tries:
            if not task.done():
                continue
            stream = self._note(result, task.result())
            if stream is not None and chosen is None:
                chosen = stream
            elif stream is not None:
                stream.abort()
            is_preferred = literal(result.address) == literal(tries[0][0].address)
            if result.error is not None and (is_preferred or failure is None):
                failure = result.error  # as a race has it
        if chosen is None:
            assert failure is not None
            raise failure.seen_from(
                peer=self.way,
                address="",
                elapsed=failure.elapsed or 0.0,
                attempts=tuple(
                    Attempt(one.address, one.error, one.elapsed) for one in report.addresses
                ),
            )
        return chosen

    async def _tunnel(self, stream: Stream) -> None:
        assert self.proxy is not None
        host, port = parse_address(self.address)[1]
        try:
            async with asyncio.timeout_at(self.deadline):
                await open_tunnel(stream, self.proxy, host, port, deadline=self.deadline)
        except TimeoutError as error:
            if isinstance(error, NetworkError):
                raise
            raise ConnectTimeout(
                "the proxy did not answer", phase="tunnel", peer=self.address
            ) from None

    async def _encrypt(self, stream: Stream, context: ssl.SSLContext, hostname: str) -> None:
        name = hostname.removesuffix(".") or None
        await stream.start_tls(context, server_hostname=name, handshake_timeout=self._left())

    async def _refused(
        self, scope: Scope, tls: TLSWanted, used: Address, port: int
    ) -> TLSFacts | None:
        """What is wrong with a certificate that was refused.

        Two more connections find out: one accepts everything, for what the certificate says, and
        one looks at the signatures alone.
        """
        reading, judging = await asyncio.gather(
            self._again(scope, used, port, tls.lenient(), tls.hostname),
            self._again(scope, used, port, tls.signatures(), tls.hostname),
        )
        if isinstance(reading, NetworkError) or reading.tls is None:
            return None
        chain = judging if isinstance(judging, NetworkError) else None
        return facts_of(reading.tls, tls.hostname, chain=chain, is_accepted=False)

    async def _again(
        self, scope: Scope, used: Address, port: int, context: ssl.SSLContext, name: str
    ) -> Stream | NetworkError:
        """One more connection the same way, with another idea of whom to trust."""
        try:
            _, stream = await self._try(scope, used, port)
            if isinstance(stream, NetworkError):
                return stream
            if self.proxy is not None:
                if self.proxy_context is not None:
                    await self._encrypt(stream, self.proxy_context, self.proxy.host)
                await self._tunnel(stream)
            await self._encrypt(stream, context, name)
            return stream
        except NetworkError as error:
            return error


def _local_address(stream: Stream) -> str:
    with suppress(OSError), socket.socket(fileno=stream.fileno()) as view:
        try:
            name = view.getsockname()
            return (
                "this machine"
                if view.family == socket.AF_UNIX
                else format_address(view.family, name)
            )
        finally:
            view.detach()
    return "unknown"
