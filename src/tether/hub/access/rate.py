"""How often a client may give commands: a token bucket.

It must not know clocks or clients; the time is handed in.
"""

from __future__ import annotations

__all__ = ["TokenBucket"]


class TokenBucket:
    """Lets `rate` things a second through, and up to `burst` at once after a pause.

    >>> bucket = TokenBucket(rate=1.0, burst=2)
    >>> [bucket.take(now) for now in (0.0, 0.0, 0.0, 1.0)]
    [True, True, False, True]
    """

    __slots__ = ("_burst", "_left", "_rate", "_when", "refused")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._when: float | None = None
        self.refused = 0
        """How many were refused since the last one that was let through."""

    def take(self, now: float) -> bool:
        """Take one token at `now` (seconds of a clock that never goes back), if one is there."""
        if self._when is not None:
            self._left = min(self._burst, self._left + (now - self._when) * self._rate)
        self._when = now
        if self._left < 1.0:
            self.refused += 1
            return False
        self.refused = 0
        self._left -= 1.0
        return True

    def wait(self) -> float:
        """Seconds from the last `take` until one more will be let through."""
        return max(0.0, (1.0 - self._left) / self._rate)
