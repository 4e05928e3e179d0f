"""Metrics in the Prometheus text format."""

from __future__ import annotations

import math

import pytest

from tether.config import metrics as module
from tether.config.metrics import Metrics


def test_text_format() -> None:
    metrics = Metrics()
    metrics.counter("plain_total", "Plain\nwith \\ a break.").add(2)
    labelled = metrics.gauge("value", "Values.", ("device", "unit"))
    labelled.set(21.5, device='a"\\\n', unit="°C")
    labelled.set(math.nan, device="b", unit="")
    labelled.set(-math.inf, device="c", unit="")
    assert metrics.render() == (
        "# HELP plain_total Plain\\nwith \\\\ a break.\n"
        "# TYPE plain_total counter\n"
        "plain_total 2\n"
        "# HELP value Values.\n"
        "# TYPE value gauge\n"
        'value{device="a\\"\\\\\\n",unit="°C"} 21.5\n'
        'value{device="b",unit=""} NaN\n'
        'value{device="c",unit=""} -Inf\n'
    )


def test_a_metric_without_labels_begins_at_zero() -> None:
    metrics = Metrics()
    metrics.counter("visits_total", "Visits.")
    assert "visits_total 0\n" in metrics.render()


def test_the_same_name_is_the_same_metric() -> None:
    metrics = Metrics()
    first = metrics.counter("visits_total", "Visits.", ("page",))
    assert metrics.counter("visits_total", "Visits.", ("page",)) is first
    with pytest.raises(ValueError, match="already"):
        metrics.gauge("visits_total", "Visits.", ("page",))
    with pytest.raises(ValueError, match="already"):
        metrics.counter("visits_total", "Visits.")


def test_wrong_use_is_refused() -> None:
    metrics = Metrics()
    counter = metrics.counter("visits_total", "Visits.", ("page",))
    with pytest.raises(ValueError, match="only grows"):
        counter.add(-1, page="/")
    with pytest.raises(ValueError, match="only grows"):
        counter.add(math.nan, page="/")
    for labels in ({}, {"site": "/"}, {"page": "/", "site": "x"}):
        with pytest.raises(ValueError, match="takes the labels"):
            counter.add(1.0, **labels)
    with pytest.raises(ValueError, match="no name"):
        metrics.counter("a b", "")
    with pytest.raises(ValueError, match="no name"):
        metrics.counter("a", "", ("a-b",))


def test_what_is_collected_is_fresh_at_each_rendering() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("sessions", "Open sessions.")
    metrics.collect(lambda: gauge.add(1))
    metrics.render()
    assert "sessions 2\n" in metrics.render()


def test_labels_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERIES", 3)
    counter = Metrics().counter("visits_total", "Visits.", ("page",))
    for page in range(10):
        counter.add(page=str(page))
    counter.add(page="0")
    assert [counter.value(page=str(page)) for page in range(4)] == [2, 1, 1, 0]
