"""What lives here: what a room of benchmarks is made of: peers, cases, and how one is measured.

It must not know any room, nor what becomes of the figures.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar


class MeasurementError(Exception):
    """Something did not start or did not do what it should; the message says what it printed."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run gave."""

    rate: float
    """How many a second, of what the case counts."""
    cpu: float
    """Processor time for each, in microseconds: of the server, or of the loop itself."""
    busy: float
    """The share of its core that was used, 0 to 1."""
    waited: float
    """The share of the time in which somebody, ready to run, found the core taken."""
    load_busy: float = 0.0
    """The load generator's share of its core, 0 to 1."""
    p50: float | None = None
    """Median latency, in microseconds, where there is a load that takes it."""
    p99: float | None = None
    """Latency that 1 % exceed, in microseconds."""


@dataclass(frozen=True)
class Case:
    """Something to measure; `unit` is what is counted, in the singular."""

    name: str
    title: str
    unit: str = "message"


@dataclass(frozen=True)
class Peer:
    """Somebody who is measured, and the packages that takes.

    An optional one may be missing: its absence is printed, and the run is whole without it.
    """

    name: str
    title: str
    packages: tuple[str, ...] = ()
    optional: bool = False

    def missing(self) -> list[str]:
        """Return the packages it needs that cannot be imported here."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def prepare(self) -> None:
        """Compile what it needs.

        Raises:
            BuildError: it does not compile.
        """

    def takes(self, case: Case) -> bool:
        """Whether it takes part in that case."""
        return True

    def holds(self) -> bool:
        """Whether the memory of its idle sessions is measured."""
        return True


P = TypeVar("P", bound=Peer)
C = TypeVar("C", bound=Case)


@dataclass(frozen=True)
class Room(Generic[P, C]):
    """One table of peers under one table of cases."""

    name: str
    title: str
    about: str
    """What the report says of how the work is done, in a sentence."""
    results: str
    """The name of its report below results/."""
    peers: Sequence[P]
    cases: Sequence[C]
    references: Sequence[str]
    """The names of the peers that ratios are taken against."""
    seconds: float
    """How long one measurement takes in a whole run."""
    measure: Callable[[P, C, tuple[int, int], float, float], Measurement]
    """Peer, case, the two cores, seconds, seconds of warm-up -> what it gave."""
    memory: tuple[str, Callable[[P, tuple[int, int]], float]] | None = None
    """A further case's name, and what gives a peer's bytes for each idle session."""
