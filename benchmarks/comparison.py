"""What lives here: the arithmetic of a comparison: medians, ratios of a round, intervals.

It must not know what is measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the interval that holds the true one with the probability `coverage`."""

    median: float
    low: float
    high: float
    coverage: float


def median_interval(values: Sequence[float], *, coverage: float = 0.95) -> Interval:
    """Return the median of some values with an interval that assumes no distribution.

    The true median lies between the k-th smallest and the k-th largest of n values with a
    probability that follows from tossing n coins. The narrowest such interval that reaches
    `coverage` is taken; with fewer than 6 values none reaches 0.95, and the widest is taken.

    Raises:
        ValueError: there are no values.

    >>> median_interval([3, 1, 2, 9, 5, 4, 8, 6, 7])
    Interval(median=5, low=2, high=8, coverage=0.9609375)
    >>> median_interval([2.0, 1.0, 4.0])
    Interval(median=2.0, low=1.0, high=4.0, coverage=0.75)
    """
    if not values:
        raise ValueError("a median needs at least one value")
    ordered = sorted(values)
    count = len(ordered)
    rank, reached = 0, _coverage(count, 0)
    while rank + 1 < (count + 1) // 2 and _coverage(count, rank + 1) >= coverage:
        rank += 1
        reached = _coverage(count, rank)
    return Interval(
        median=statistics.median(ordered),
        low=ordered[rank],
        high=ordered[count - 1 - rank],
        coverage=reached,
    )


def _coverage(count: int, rank: int) -> float:
    """The chance that the median lies between the values of these ranks from both ends."""
    outside = sum(math.comb(count, below) for below in range(rank + 1))
    return 1 - math.ldexp(outside, 1 - count)


def ratio(own: Sequence[float], reference: Sequence[float]) -> Interval:
    """Return own / reference, compared round by round, so that a slow minute hits both.

    Raises:
        ValueError: the two do not have the same number of rounds.

    >>> ratio([2.0, 6.0, 4.0], [1.0, 2.0, 2.0]).median
    2.0
    """
    return median_interval([a / b for a, b in zip(own, reference, strict=True)])
