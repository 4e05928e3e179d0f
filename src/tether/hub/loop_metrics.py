"""The event loop as `/metrics` shows it: how late it is, what it did, what it holds.

It must not know devices or addresses.
"""

from __future__ import annotations

import asyncio
from typing import Final

from tether.aio.loop import Loop
from tether.config.metrics import Metrics

__all__ = ["LoopMetrics"]

_COUNTED: Final = {
    "passes": "Passes of the event loop: how often it woke.",
    "events": "Descriptors that were ready and served.",
    "timers": "Timers that fired.",
    "callbacks": "Callbacks and steps of tasks that ran.",
}


class LoopMetrics:
    """What is asked of the loop when somebody reads the metrics; in between it costs nothing."""

    def __init__(self, metrics: Metrics) -> None:
        self._loop: Loop | None = None
        self._seen: dict[str, float] = {}
        self._lag = metrics.gauge(
            "tether_loop_lag_seconds",
            "How long who became ready had to wait for the loop: last, mean, and most ever.",
            ("kind",),
        )
        self._pending = metrics.gauge("tether_loop_pending_timers", "Timers that are pending.")
        self._watches = metrics.gauge("tether_loop_watches", "Watches of descriptors.")
        self._counters = {
            name: metrics.counter(f"tether_loop_{name}_total", text)
            for name, text in _COUNTED.items()
        }
        self._counters["busy_seconds"] = metrics.counter(
            "tether_loop_busy_seconds_total", "Seconds in which the event loop did not wait."
        )
        metrics.collect(self._collect)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on the metrics are those of `loop`."""
        self._loop = loop if isinstance(loop, Loop) else None
        self._seen = {}

    def _collect(self) -> None:
        loop = self._loop
        if loop is None:
            return
        lag, counts = loop.lag, loop.counts
        self._lag.set(lag.last, kind="last")
        self._lag.set(lag.mean, kind="mean")
        self._lag.set(lag.max, kind="max")
        self._pending.set(counts.pending_timers)
        self._watches.set(counts.watches)
        now = {name: float(getattr(counts, name)) for name in _COUNTED} | {
            "busy_seconds": lag.total
        }
        for name, value in now.items():
            # Somebody may have cleared the lag: then it counts from 0 again.
            grown = value - self._seen.get(name, 0.0)
            self._counters[name].add(grown if grown >= 0 else value)
        self._seen = now
