"""What a loop counts. It knows no loop: only the names."""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """What a loop did so far, and what it holds now: `loop.counts`.

    The first four only grow, and cost one addition each; a loop that sleeps adds to none.
    """

    #: How often it woke, looked for events and served them.
    passes: int
    #: Descriptors that were ready and served.
    events: int
    #: Timers that fired: scopes', asyncio's and the engine's own deadlines.
    timers: int
    #: What ran from the ready queue: callbacks, steps of tasks, steps of closing.
    callbacks: int
    #: Watches of descriptors that are active now, signals and asyncio's readers not counted.
    watches: int
    #: Timers that are pending now.
    pending_timers: int
    #: What is in the ready queue now.
    ready: int
