# Counters and gauges, and how Prometheus reads them (text format 0.0.4).
# Must not know what is counted; whoever counts registers names of his own.
"""Metrics: `Metrics().counter(...)`, `.gauge(...)` and `.render()`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of what `render` returns."""

MOST_SERIES = 10_000
"""Most label combinations of one metric; further ones are not counted."""


class Metric:
    """One metric and its values by label. Made by `Metrics`."""

    kind = "untyped"

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        if re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", name) is None:
            raise ValueError(f"{name!r} is no name for a metric")
        for label in labels:
            if re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]*", label) is None:
                raise ValueError(f"{label!r} is no name for a label")
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {}
        if not labels:
            self._values[()] = 0.0

    def value(self, **labels: str) -> float:
        """The value for these labels, 0.0 where there is none yet."""
        return self._values.get(self._key(labels), 0.0)

    def render(self) -> str:
        """Its lines of the text format."""
        lines = [f"# HELP {self.name} {_escape(self.text)}", f"# TYPE {self.name} {self.kind}"]
        for key, value in self._values.items():
            pairs = ",".join(
                f'{label}="{_escape(part, quotes=True)}"'
                for label, part in zip(self.labels, key, strict=True)
            )
            lines.append(
                f"{self.name}{{{pairs}}} {_number(value)}"
                if pairs
                else f"{self.name} {_number(value)}"
            )
        return "\n".join(lines) + "\n"

    def _key(self, labels: dict[str, str]) -> tuple[str, ...]:
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} takes the labels {self.labels}, not {tuple(labels)}")
        try:
            return tuple(labels[label] for label in self.labels)
        except KeyError:
            raise ValueError(
                f"{self.name} takes the labels {self.labels}, not {tuple(labels)}"
            ) from None

    def _put(self, key: tuple[str, ...], value: float) -> None:
        # labels can come from outside; without a bound they would be a way to fill the memory
        if key in self._values or len(self._values) < MOST_SERIES:
            self._values[key] = value


Kind = TypeVar("Kind", bound=Metric)


class Counter(Metric):
    """Only grows."""

    kind = "counter"

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """Count `amount` more, 0 at least. Raises ValueError for less, and for other labels."""
        if not amount >= 0:
            raise ValueError(f"{self.name} only grows, so not by {amount}")
        key = self._key(labels)
        self._put(key, self._values.get(key, 0.0) + amount)


class Gauge(Metric):
    """Goes up and down."""

    kind = "gauge"

    def set(self, value: float, **labels: str) -> None:
        """It is `value` now. Raises ValueError for other labels."""
        self._put(self._key(labels), value)

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """It is `amount` more now, or less. Raises ValueError for other labels."""
        key = self._key(labels)
        self._put(key, self._values.get(key, 0.0) + amount)

    def clear(self) -> None:
        """Forget all values, for a gauge that is filled anew at each `collect`."""
        self._values.clear()


class Metrics:
    """All metrics of a process, in the order they were registered.

    >>> metrics = Metrics()
    >>> metrics.counter("visits_total", "Visits.", ("page",)).add(page="/")
    >>> print(metrics.render(), end="")
    # HELP visits_total Visits.
    # TYPE visits_total counter
    visits_total{page="/"} 1
    """

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._collectors: list[Callable[[], object]] = []

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """A new counter, or the one of that name. Raises ValueError where it is another thing."""
        return self._register(Counter(name, text, labels))

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """A new gauge, or the one of that name. Raises ValueError where it is another thing."""
        return self._register(Gauge(name, text, labels))

    def collect(self, callback: Callable[[], object]) -> None:
        """Call `callback()` before each `render`, to set gauges that are asked for only then."""
        self._collectors.append(callback)

    def render(self) -> str:
        """All of it in the Prometheus text format."""
        for callback in self._collectors:
            callback()
        return "".join(metric.render() for metric in self._metrics.values())

    def _register(self, metric: Kind) -> Kind:
        known = self._metrics.setdefault(metric.name, metric)
        if type(known) is not type(metric) or known.labels != metric.labels:
            raise ValueError(f"{metric.name} is a {known.kind} with labels {known.labels} already")
        return known


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _escape(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
