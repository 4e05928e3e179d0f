"""What lives here: how figures become tables (terminal, Markdown) and JSON.

It must not know how they were measured, nor start anything.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.comparison import Interval, ratio
from benchmarks.websocket.cases import Case, Server
from benchmarks.websocket.echo import Measurement

# Above this share of its core, while the server is below it, the load was the brake.
SATURATED = 0.97
# A process that waits longer for its core than this share of the time was disturbed.
DISTURBED = 0.05


@dataclass(slots=True)
class Results:
    """Everything that a run found."""

    machine: str
    versions: dict[str, str]
    seconds: float
    cases: Sequence[Case]
    servers: Sequence[Server]
    references: Sequence[str]
    echo: dict[str, dict[str, list[Measurement]]] = field(default_factory=dict)
    """Case name, server name -> one measurement a round."""
    idle: dict[str, list[float]] = field(default_factory=dict)
    """Server name -> bytes per idle session, one a round."""
    failures: dict[str, str] = field(default_factory=dict)
    """What could not be measured -> why."""

    def rounds(self) -> int:
        """Return the number of rounds that were run."""
        counts = [len(rounds) for servers in self.echo.values() for rounds in servers.values()]
        return max(counts + [len(rounds) for rounds in self.idle.values()], default=0)

    def disturbance(self) -> tuple[int, int]:
        """Return how many measurements other processes disturbed, and of how many."""
        waits = [
            one.waited
            for servers in self.echo.values()
            for rounds in servers.values()
            for one in rounds
        ]
        return sum(wait > DISTURBED for wait in waits), len(waits)


def as_json(results: Results) -> dict[str, object]:
    """Return all figures of all rounds, and the ratios, for a program to read."""
    echo: dict[str, object] = {}
    for case in results.cases:
        servers = results.echo.get(case.name, {})
        echo[case.name] = {
            name: {
                "rounds": [asdict(one) for one in rounds],
                "ratios": {
                    reference: {
                        "rate": asdict(_by_rate(rounds, servers[reference])),
                        "cpu": asdict(_by_cpu(rounds, servers[reference])),
                    }
                    for reference in results.references
                    if reference in servers and reference != name
                },
            }
            for name, rounds in servers.items()
        }
    return {
        "machine": results.machine,
        "versions": results.versions,
        "seconds": results.seconds,
        "echo": echo,
        "idle_bytes_per_session": results.idle,
        "failures": results.failures,
    }


def as_markdown(results: Results) -> str:
    """Return the report that is committed and shown on the terminal."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines = [
        "# WebSocket echo",
        "",
        f"{results.machine}; {versions}.",
        f"{results.rounds()} rounds of {results.seconds:g} s, medians; server and load on a core "
        "each. In brackets the interval of the median of the rounds' ratios. "
        "`by CPU` compares messages per second of the server's processor time; "
        "more than 1 is better everywhere.",
    ]
    disturbed, measurements = results.disturbance()
    if disturbed:
        lines += [
            "",
            f"**{disturbed} of {measurements} measurements were disturbed**: another process held "
            f"one of the two cores for more than {DISTURBED:.0%} of the time.",
        ]
    for case in results.cases:
        if results.echo.get(case.name):
            lines += ["", f"## {case.title}", "", *_table(_echo_rows(results, case))]
    if results.idle:
        lines += ["", "## Resident memory of an idle session", "", *_table(_idle_rows(results))]
    if results.failures:
        lines += ["", "## Not measured", ""]
        lines += [f"- {what}: {why}" for what, why in results.failures.items()]
    if any("* |" in line for line in lines):
        lines += ["", "`*` The load generator's core was full, the server's not: go by CPU."]
    return "\n".join(lines) + "\n"


def _by_rate(own: Sequence[Measurement], reference: Sequence[Measurement]) -> Interval:
    return ratio([one.rate for one in own], [one.rate for one in reference])


def _by_cpu(own: Sequence[Measurement], reference: Sequence[Measurement]) -> Interval:
    return ratio([one.server_cpu for one in reference], [one.server_cpu for one in own])


def _echo_rows(results: Results, case: Case) -> list[list[str]]:
    servers = results.echo[case.name]
    titles = {server.name: server.title for server in results.servers}
    references = [name for name in results.references if name in servers]
    heading = ["server", "messages/s", "CPU us/msg", "p50 us", "p99 us"]
    for name in references:
        heading += [f"of {titles[name]}", "by CPU"]
    rows = [heading]
    for server in results.servers:
        rounds = servers.get(server.name)
        if not rounds:
            continue
        load_busy = statistics.median(one.load_busy for one in rounds)
        server_busy = statistics.median(one.server_busy for one in rounds)
        mark = "*" if load_busy > SATURATED > server_busy else ""
        row = [
            server.title,
            f"{statistics.median(one.rate for one in rounds):,.0f}{mark}",
            f"{statistics.median(one.server_cpu for one in rounds):.2f}",
            f"{statistics.median(one.p50 for one in rounds):,.0f}",
            f"{statistics.median(one.p99 for one in rounds):,.0f}",
        ]
        for name in references:
            if name == server.name:
                row += ["1", "1"]
            else:
                row.append(_interval(_by_rate(rounds, servers[name])))
                row.append(_interval(_by_cpu(rounds, servers[name])))
        rows.append(row)
    return rows


def _idle_rows(results: Results) -> list[list[str]]:
    rows = [["server", "KiB"]]
    for server in results.servers:
        rounds = results.idle.get(server.name)
        if rounds:
            kibibytes = statistics.median(rounds) / 1024
            rows.append([server.title, f"{kibibytes:.{1 if kibibytes >= 1 else 2}f}"])
    return rows


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
