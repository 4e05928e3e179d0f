"""One question about one name, shared by all who ask it meanwhile, and the cache of the answers.

Knows addresses and times; who is asked, and how, is the resolver's business.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from tether.engine.scope import Scope
from tether.errors import Attempt, NetworkError, ResolveTimeout
from tether.stream.name_files import Address


@dataclass(eq=False, slots=True)
class Lookup:
    """The addresses of a name: those that are known, and whether more may come.

    Args:
        host: the name.
        addresses: what was found, in the order in which to try it. It may grow until `is_over`.
    """

    host: str
    addresses: list[Address] = field(default_factory=list)
    is_over: bool = False
    error: Exception | None = None
    #: Seconds that the answer is good for; None where nobody said.
    ttl: float | None = None
    #: Who said so: a file, the system, or a name server.
    source: str = ""
    #: Some of the name's addresses may be missing.
    is_partial: bool = False
    #: What is told where time is up before there is an answer.
    silence: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    users: int = 0
    scope: Scope | None = None
    _news: asyncio.Future[None] | None = None

    def news(self) -> asyncio.Future[None]:
        """Done when there are more addresses, or when it is over. Not to be cancelled, and not to
        be asked for when it is over."""
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        return self._news

    def found(self, addresses: list[Address], ttl: float | None = None) -> None:
        """These are addresses of it, for `ttl` seconds."""
        self.addresses[:] = dict.fromkeys([*self.addresses, *addresses])
        if ttl is not None:
            self.ttl = ttl if self.ttl is None else min(ttl, self.ttl)
        self._tell()

    def end(self, error: Exception | None = None) -> None:
        """No more will come; `error` says why there is nothing."""
        if not self.is_over:
            self.is_over = True
            self.error = None if self.addresses else error
            # It may be kept for long: frames, and with them a loop, must not live on in it.
            while error is not None:
                error.__traceback__ = None
                error = error.__cause__  # type: ignore[assignment]
            self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._news = None

    def failure(self, peer: str, elapsed: float) -> Exception:
        """Why there is no address, for one who asked."""
        error = self.error
        if isinstance(error, NetworkError):
            return error.seen_from(peer=peer, address="", elapsed=elapsed, attempts=error.attempts)
        assert error is not None, "it goes on, or has addresses"
        return error

    def too_late(self, peer: str, elapsed: float) -> ResolveTimeout:
        """The deadline of one who asked has passed."""
        return ResolveTimeout(
            self.silence,
            phase="resolve",
            peer=peer,
            elapsed=elapsed,
            attempts=tuple(self.attempts),
        )


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """What a cache of names keeps, and for how long.

    Args:
        max_entries: names; the one that was not asked for longest goes first. 0 keeps none.
        min_ttl, max_ttl: seconds; what a name server says is held to these bounds. Answers without
            such a time (the system's) are kept for `min_ttl`.
        negative_ttl: seconds that a failure is kept, and an answer that lacks a part.
    """

    max_entries: int
    min_ttl: float
    max_ttl: float
    negative_ttl: float

    def __post_init__(self) -> None:
        if self.max_entries < 0 or not 0 <= self.min_ttl <= self.max_ttl or self.negative_ttl < 0:
            raise ValueError(f"a cache has no negative limits, and min_ttl up to max_ttl: {self}")


class Cache:
    """Answers that are still good, the one that was asked for last at the end."""

    def __init__(self, limits: CacheLimits) -> None:
        self.limits = limits
        self.entries: OrderedDict[str, tuple[float, Lookup]] = OrderedDict()

    def get(self, host: str, now: float) -> Lookup | None:
        """The answer, where there is one that is good at `now` (seconds of the loop's clock)."""
        entry = self.entries.get(host)
        if entry is None:
            return None
        if entry[0] <= now:
            del self.entries[host]
            return None
        self.entries.move_to_end(host)
        return entry[1]

    def put(self, lookup: Lookup, now: float) -> None:
        """Keep the answer of a lookup that is over."""
        limits = self.limits
        seconds = min(max(lookup.ttl or 0, limits.min_ttl), limits.max_ttl)
        if not lookup.addresses:
            seconds = limits.negative_ttl
        elif lookup.is_partial:
            seconds = min(seconds, limits.negative_ttl)
        if seconds > 0 and limits.max_entries:
            self.entries[lookup.host] = now + seconds, lookup
            self.entries.move_to_end(lookup.host)
            if len(self.entries) > limits.max_entries:
                self.entries.popitem(last=False)
