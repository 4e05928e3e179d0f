"""What lives here: the command line, and the order in which everything takes its turn.

It must not know how a figure is taken or printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import build, machine, report
from benchmarks.room import MeasurementError, Peer, Room
from benchmarks.rooms import ROOMS

RESULTS = build.BENCHMARKS / "results"
WARMUP = 0.5
MEMORY_ROUNDS = 3


def main() -> int:
    """Run the benchmarks; 0, or 1 where something could not be measured."""
    options = _options()
    try:
        names = _names(options.only)
        rooms = [room for room in ROOMS if room.name in names] or list(ROOMS)
        peers = {name for name in names if name not in {room.name for room in ROOMS}}
        known = {case for room in rooms for case in _case_names(room)}
        cases = _chosen(_names(options.cases), known, "case")
        _chosen(peers, {peer.name for room in rooms for peer in room.peers}, "peer")
        cores = machine.two_cores()
    except (ValueError, machine.MachineError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    whole = not (options.quick or peers or cases)
    succeeded = [_run(room, peers, cases, cores, whole, options) for room in rooms]
    return 0 if all(succeeded) else 1


def _run(
    room: Room[Any, Any],
    peers: set[str],
    cases: set[str],
    cores: tuple[int, int],
    whole: bool,
    options: argparse.Namespace,
) -> bool:
    """Measure a room and write its report; whether everything could be measured."""
    rounds = options.rounds or (3 if options.quick else 9)
    seconds = options.seconds or (0.5 if options.quick else room.seconds)
    results = report.Results(
        room=room,
        machine=machine.description(),
        versions={},
        seconds=seconds,
        cases=[one for one in room.cases if not cases or one.name in cases],
        peers=[one for one in room.peers if not peers or one.name in peers],
    )
    if not results.peers or not set(_case_names(room)) & (cases or set(_case_names(room))):
        return True
    _get_ready(results)
    runs = rounds * sum(peer.takes(case) for peer in results.peers for case in results.cases)
    _say(f"{room.title}: {runs} measurements, about {runs * (seconds + WARMUP + 0.5) / 60:.0f} min")
    _measure(results, rounds, cores)
    if room.memory is not None and (not cases or room.memory[0] in cases):
        _measure_memory(results, min(rounds, MEMORY_ROUNDS), cores)

    text = report.as_markdown(results)
    print(text)
    # What is committed comes from a whole run of the room only.
    place = RESULTS if whole and not results.failures else build.BUILD
    directory: Path = options.output or place
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{room.results}.md").write_text(text)
    figures = json.dumps(report.as_json(results), indent=1) + "\n"
    (directory / f"{room.results}.json").write_text(figures)
    _say(f"written to {directory}")
    return not results.failures


def _measure(results: report.Results, rounds: int, cores: tuple[int, int]) -> None:
    for turn in range(rounds):
        for case in results.cases:
            figures = results.measured.setdefault(case.name, {})
            for peer in _in_turn([one for one in results.peers if one.takes(case)], turn):
                what = f"{peer.title}, {case.title}"
                if what in results.failures:
                    continue
                try:
                    one = results.room.measure(peer, case, cores, results.seconds, WARMUP)
                except (MeasurementError, build.BuildError) as error:
                    results.failures[what] = str(error)
                    figures.pop(peer.name, None)
                    _say(f"{what}: {error}")
                    continue
                figures.setdefault(peer.name, []).append(one)
                _say(
                    f"round {turn + 1}/{rounds}  {case.name:>16}  {peer.name:<16}"
                    f"{one.rate:>12,.0f}/s {one.cpu:>9.3f} us"
                )


def _measure_memory(results: report.Results, rounds: int, cores: tuple[int, int]) -> None:
    assert results.room.memory is not None
    name, bytes_of = results.room.memory
    for turn in range(rounds):
        for peer in _in_turn([one for one in results.peers if one.holds()], turn):
            what = f"{peer.title}, {name}"
            if what in results.failures:
                continue
            try:
                memory = bytes_of(peer, cores)
            except MeasurementError as error:
                results.failures[what] = str(error)
                results.memory.pop(peer.name, None)
                _say(f"{what}: {error}")
                continue
            results.memory.setdefault(peer.name, []).append(memory)
            _say(
                f"round {turn + 1}/{rounds}  {name:>16}  {peer.name:<16}{memory / 1024:>10.1f} KiB"
            )


def _in_turn(peers: Sequence[Peer], turn: int) -> list[Peer]:
    """The peers in another order each round, so that none always follows the same one."""
    if not peers:
        return []
    start = turn % len(peers)
    order = [*peers[start:], *peers[:start]]
    return order[::-1] if turn % 2 else order


def _get_ready(results: report.Results) -> None:
    """Keep the peers that can be measured; why the others cannot goes into `failures`."""
    reasons = ""
    if any(set(peer.packages) - {"tether"} for peer in results.peers if not peer.optional):
        try:
            build.install_requirements()
        except build.BuildError as error:
            reasons = f" ({error})"
    ready = []
    for peer in results.peers:
        missing = peer.missing()
        if missing and peer.optional:
            results.absent.append(peer.title)
            _say(f"{peer.title} is not installed here")
            continue
        if missing:
            results.failures[peer.title] = f"no module {', '.join(missing)}{reasons}"
            _say(f"{peer.title}: {results.failures[peer.title]}")
            continue
        try:
            peer.prepare()
        except build.BuildError as error:
            results.failures[peer.title] = str(error)
            _say(f"{peer.title}: {error}")
            continue
        ready.append(peer)
    results.peers = ready
    results.versions = machine.versions([name for peer in ready for name in peer.packages])


def _case_names(room: Room[Any, Any]) -> list[str]:
    return [case.name for case in room.cases] + ([room.memory[0]] if room.memory else [])


def _names(wanted: str | None) -> set[str]:
    return {name.strip() for name in wanted.split(",")} if wanted else set()


def _chosen(names: set[str], known: set[str], kind: str) -> set[str]:
    for name in sorted(names - known):
        raise ValueError(f"there is no {kind} {name!r}; there are {', '.join(sorted(known))}")
    return names


def _options() -> argparse.Namespace:
    peers = ", ".join(dict.fromkeys(peer.name for room in ROOMS for peer in room.peers))
    cases = ", ".join(name for room in ROOMS for name in _case_names(room))
    rooms = " or ".join(room.name for room in ROOMS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.description = "Measure tether and its peers, as benchmarks/README.md says."
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.5 s")
    parser.add_argument("--rounds", type=int, help="how often each is measured (9)")
    parser.add_argument("--seconds", type=float, help="how long each time (2; the loop: 1)")
    parser.add_argument(
        "--only", metavar="NAMES", help=f"a room only ({rooms}), or these peers only: {peers}"
    )
    parser.add_argument("--cases", metavar="NAMES", help=f"these cases only: {cases}")
    parser.add_argument("--output", type=Path, help="where the reports go")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
