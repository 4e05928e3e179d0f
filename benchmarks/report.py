"""What lives here: how figures become tables (terminal, Markdown) and JSON.

It must not know how they were measured, nor start anything.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.comparison import Interval, ratio
from benchmarks.room import Case, Measurement, Peer, Room

# Above this share of its core, while the server is below it, the load was the brake.
SATURATED = 0.97
# A process that waits longer for its core than this share of the time was disturbed.
DISTURBED = 0.05


@dataclass(slots=True)
class Results:
    """Everything that a run found out about one room."""

    room: Room[Any, Any]
    machine: str
    versions: dict[str, str]
    seconds: float
    cases: Sequence[Case]
    peers: Sequence[Peer]
    measured: dict[str, dict[str, list[Measurement]]] = field(default_factory=dict)
    """Case name, peer name -> one measurement a round."""
    memory: dict[str, list[float]] = field(default_factory=dict)
    """Peer name -> bytes per idle session, one a round."""
    failures: dict[str, str] = field(default_factory=dict)
    """What could not be measured -> why."""
    absent: list[str] = field(default_factory=list)
    """Optional peers that are not installed here."""

    def rounds(self) -> int:
        """Return the number of rounds that were run."""
        counts = [len(rounds) for peers in self.measured.values() for rounds in peers.values()]
        return max(counts + [len(rounds) for rounds in self.memory.values()], default=0)

    def disturbance(self) -> tuple[int, int]:
        """Return how many measurements other processes disturbed, and of how many."""
        waits = [
            one.waited
            for peers in self.measured.values()
            for rounds in peers.values()
            for one in rounds
        ]
        return sum(wait > DISTURBED for wait in waits), len(waits)


def as_json(results: Results) -> dict[str, object]:
    """Return all figures of all rounds, and the ratios, for a program to read."""
    measured: dict[str, object] = {}
    for case in results.cases:
        peers = results.measured.get(case.name, {})
        measured[case.name] = {
            name: {
                "rounds": [asdict(one) for one in rounds],
                "ratios": {
                    reference: {
                        "rate": asdict(_by_rate(rounds, peers[reference])),
                        "cpu": asdict(_by_cpu(rounds, peers[reference])),
                    }
                    for reference in results.room.references
                    if reference in peers and reference != name
                },
            }
            for name, rounds in peers.items()
        }
    return {
        "machine": results.machine,
        "versions": results.versions,
        "seconds": results.seconds,
        "cases": measured,
        "idle_bytes_per_session": results.memory,
        "failures": results.failures,
        "absent": results.absent,
    }


def as_markdown(results: Results) -> str:
    """Return the report that is committed and shown on the terminal."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines = [
        f"# {results.room.title}",
        "",
        f"{results.machine}; {versions}.",
        f"{results.rounds()} rounds of {results.seconds:g} s, medians; {results.room.about} "
        "In brackets the interval of the median of the rounds' ratios. "
        "`by CPU` compares what a second of processor time is enough for; "
        "more than 1 is better everywhere.",
    ]
    disturbed, measurements = results.disturbance()
    if disturbed:
        lines += [
            "",
            f"**{disturbed} of {measurements} measurements were disturbed**: another process held "
            f"one of the cores for more than {DISTURBED:.0%} of the time.",
        ]
    for case in results.cases:
        if results.measured.get(case.name):
            lines += ["", f"## {case.title}", "", *_table(_rows(results, case))]
    if results.memory:
        lines += ["", "## Resident memory of an idle session", "", *_table(_memory_rows(results))]
    if results.failures:
        lines += ["", "## Not measured", ""]
        lines += [f"- {what}: {why}" for what, why in results.failures.items()]
    if results.absent:
        lines += ["", f"Not installed here, and so not measured: {', '.join(results.absent)}."]
    if any("* |" in line for line in lines):
        lines += ["", "`*` The load generator's core was full, the server's not: go by CPU."]
    return "\n".join(lines) + "\n"


def _by_rate(own: Sequence[Measurement], reference: Sequence[Measurement]) -> Interval:
    return ratio([one.rate for one in own], [one.rate for one in reference])


def _by_cpu(own: Sequence[Measurement], reference: Sequence[Measurement]) -> Interval:
    return ratio([one.cpu for one in reference], [one.cpu for one in own])


def _rows(results: Results, case: Case) -> list[list[str]]:
    peers = results.measured[case.name]
    titles = {peer.name: peer.title for peer in results.peers}
    references = [name for name in results.room.references if name in peers]
    has_latency = any(one.p50 is not None for rounds in peers.values() for one in rounds)
    heading = ["", f"{case.unit}s/s", f"CPU us/{case.unit}"]
    if has_latency:
        heading += ["p50 us", "p99 us"]
    for name in references:
        heading += [f"of {titles[name]}", "by CPU"]
    rows = [heading]
    for peer in results.peers:
        rounds = peers.get(peer.name)
        if not rounds:
            continue
        load_busy = statistics.median(one.load_busy for one in rounds)
        busy = statistics.median(one.busy for one in rounds)
        mark = "*" if load_busy > SATURATED > busy else ""
        row = [
            peer.title,
            f"{statistics.median(one.rate for one in rounds):,.0f}{mark}",
            _figure(statistics.median(one.cpu for one in rounds)),
        ]
        if has_latency:
            row.append(f"{statistics.median(one.p50 or 0 for one in rounds):,.0f}")
            row.append(f"{statistics.median(one.p99 or 0 for one in rounds):,.0f}")
        for name in references:
            if name == peer.name:
                row += ["1", "1"]
            else:
                row.append(_interval(_by_rate(rounds, peers[name])))
                row.append(_interval(_by_cpu(rounds, peers[name])))
        rows.append(row)
    return rows


def _memory_rows(results: Results) -> list[list[str]]:
    rows = [["", "KiB"]]
    for peer in results.peers:
        rounds = results.memory.get(peer.name)
        if rounds:
            kibibytes = statistics.median(rounds) / 1024
            rows.append([peer.title, f"{kibibytes:.{1 if kibibytes >= 1 else 2}f}"])
    return rows


def _figure(value: float) -> str:
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _interval(value: Interval) -> str:
    digits = 2 if value.median < 10 else 1
    return f"{value.median:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def _table(rows: list[list[str]]) -> list[str]:
    """A Markdown table whose columns stand straight on a terminal too."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [lines[0], "| " + " | ".join(rule) + " |", *lines[1:]]
