"""What lives here: the command line, and the order in which everything takes its turn.

It must not know how a figure is taken or printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks import build, machine, report
from benchmarks.websocket import cases, echo
from benchmarks.websocket.cases import Server

RESULTS = build.BENCHMARKS / "results"
WARMUP = 0.5
IDLE_ROUNDS = 3

Item = TypeVar("Item")


def main() -> int:
    """Run the benchmarks; 0, or 1 where something could not be measured."""
    options = _options()
    rounds = options.rounds or (3 if options.quick else 9)
    seconds = options.seconds or (0.5 if options.quick else 2.0)
    try:
        chosen_servers = _chosen(options.only, {one.name: one for one in cases.SERVERS}, "server")
        names = [one.name for one in cases.CASES] + [cases.IDLE_CASE]
        chosen_names = _chosen(options.cases, {name: name for name in names}, "case")
        cores = machine.two_cores()
        echo.load_program()
    except (ValueError, build.BuildError, machine.MachineError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    chosen_cases = [one for one in cases.CASES if one.name in chosen_names]

    failures: dict[str, str] = {}
    servers = _ready(chosen_servers, failures)
    results = report.Results(
        machine=machine.description(),
        versions=machine.versions(),
        seconds=seconds,
        cases=chosen_cases,
        servers=servers,
        references=cases.REFERENCES,
        failures=failures,
    )
    runs = rounds * len(chosen_cases) * len(servers)
    _say(f"{runs} measurements, about {runs * (seconds + WARMUP + 0.5) / 60:.0f} minutes")
    _measure_echo(results, rounds, cores)
    if cases.IDLE_CASE in chosen_names:
        _measure_idle(results, min(rounds, IDLE_ROUNDS), cores)

    text = report.as_markdown(results)
    print(text)
    # What is committed comes from a whole run only.
    whole = not (options.quick or options.only or options.cases or failures)
    directory: Path = options.output or (RESULTS if whole else build.BUILD)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.md").write_text(text)
    (directory / "results.json").write_text(json.dumps(report.as_json(results), indent=1) + "\n")
    _say(f"written to {directory}")
    return 1 if failures else 0


def _measure_echo(results: report.Results, rounds: int, cores: tuple[int, int]) -> None:
    for turn in range(rounds):
        for case in results.cases:
            figures = results.echo.setdefault(case.name, {})
            for server in _in_turn(results.servers, turn):
                what = f"{server.title}, {case.title}"
                if what in results.failures:
                    continue
                try:
                    one = echo.measure(server, case, cores, seconds=results.seconds, warmup=WARMUP)
                except echo.MeasurementError as error:
                    results.failures[what] = str(error)
                    figures.pop(server.name, None)
                    _say(f"{what}: {error}")
                    continue
                figures.setdefault(server.name, []).append(one)
                _say(
                    f"round {turn + 1}/{rounds}  {case.name:>6}  {server.name:<14}"
                    f"{one.rate:>12,.0f}/s {one.server_cpu:>8.2f} us"
                )


def _measure_idle(results: report.Results, rounds: int, cores: tuple[int, int]) -> None:
    for turn in range(rounds):
        for server in _in_turn(results.servers, turn):
            what = f"{server.title}, idle sessions"
            if what in results.failures:
                continue
            try:
                memory = echo.measure_idle(server, cores)
            except echo.MeasurementError as error:
                results.failures[what] = str(error)
                results.idle.pop(server.name, None)
                _say(f"{what}: {error}")
                continue
            results.idle.setdefault(server.name, []).append(memory)
            _say(f"round {turn + 1}/{rounds}    idle  {server.name:<14}{memory / 1024:>10.1f} KiB")


def _in_turn(servers: Sequence[Server], turn: int) -> list[Server]:
    """The servers in another order each round, so that none always follows the same one."""
    if not servers:
        return []
    start = turn % len(servers)
    order = [*servers[start:], *servers[:start]]
    return order[::-1] if turn % 2 else order


def _ready(servers: Sequence[Server], failures: dict[str, str]) -> list[Server]:
    """The servers that can be started; why the others cannot goes into `failures`."""
    reasons = ""
    if any(server.packages and server.packages != ("tether",) for server in servers):
        try:
            build.install_requirements()
        except build.BuildError as error:
            reasons = f" ({error})"
    ready = []
    for server in servers:
        missing = server.missing()
        if missing:
            failures[server.title] = f"no module {', '.join(missing)}{reasons}"
            _say(f"{server.title}: {failures[server.title]}")
            continue
        try:
            server.command()
        except build.BuildError as error:
            failures[server.title] = str(error)
            _say(f"{server.title}: {error}")
            continue
        ready.append(server)
    return ready


def _chosen(wanted: str | None, known: dict[str, Item], kind: str) -> list[Item]:
    if wanted is None:
        return list(known.values())
    names = [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {kind} {name!r}; there are {', '.join(known)}")
    return [item for name, item in known.items() if name in names]


def _options() -> argparse.Namespace:
    servers = ", ".join(server.name for server in cases.SERVERS)
    names = ", ".join([case.name for case in cases.CASES] + [cases.IDLE_CASE])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.description = "Measure tether and its peers, as benchmarks/README.md says."
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.5 s")
    parser.add_argument("--rounds", type=int, help="how often each is measured (9)")
    parser.add_argument("--seconds", type=float, help="how long each time (2)")
    parser.add_argument("--only", metavar="NAMES", help=f"these servers only: {servers}")
    parser.add_argument("--cases", metavar="NAMES", help=f"these cases only: {names}")
    parser.add_argument("--output", type=Path, help="where results.md and results.json go")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
