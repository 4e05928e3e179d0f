"""When to try again what failed. Knows seconds and failures, no socket."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tether.errors import (
    CertificateError,
    Closed,
    NetworkError,
    SocketForbidden,
    TLSAlert,
    TunnelError,
)

#: A proxy's answers that may be others soon: too many requests, too late, and those of SOCKS that
#: speak of the network (RFC 1928, section 6).
PASSING = frozenset({408, 429, 1, 3, 4, 5, 6})


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often to try, and how long to wait in between: exponential backoff with full jitter.

    Before retry number n the wait is a random time between 0 and `first * factor ** (n - 1)`
    seconds, but no longer than `cap`: clients that failed together do not come back together.

    Args:
        attempts: how often in all, the first time included (default 3).
        first: seconds, the longest wait before the first retry (default 0.1).
        factor: how much longer each may be than the one before (default 2).
        cap: seconds, the longest wait of all (default 5).
        jitter: False waits the full time each time.

    Raises:
        ValueError: attempts below 1, a negative time, or a factor below 1.

    >>> [Retry(attempts=4, first=1, cap=3, jitter=False).delay(n) for n in (1, 2, 3)]
    [1.0, 2.0, 3.0]
    """

    attempts: int = 3
    first: float = 0.1
    factor: float = 2.0
    cap: float = 5.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts are 1 or more, got {self.attempts}")
        if not (self.first >= 0 and self.cap >= 0 and self.factor >= 1):
            raise ValueError(f"no negative times, and a factor of at least 1: {self}")

    def delay(self, number: int) -> float:
        """Seconds to wait before retry `number`, which is 1 for the first."""
        try:
            longest = min(self.cap, self.first * self.factor ** (number - 1))
        except OverflowError:
            longest = self.cap
        return random.uniform(0, longest) if self.jitter else float(longest)


def may_pass(error: NetworkError) -> bool:
    """Whether the next try may go better: nobody's mind has to change for it.

    >>> from tether.errors import ConnectionRefused
    >>> may_pass(ConnectionRefused()), may_pass(CertificateError())
    (True, False)
    """
    if isinstance(error, TunnelError):
        return error.status >= 500 or error.status in PASSING
    return not isinstance(error, CertificateError | TLSAlert | SocketForbidden | Closed)
