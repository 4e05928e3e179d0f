"""Starts `run_cases.py` in a process of its own, and reads what became of each case.

A case that takes its process with it, or is stuck, has failed; the others run in a new one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = Path(__file__).with_name("run_cases.py")
PATIENCE = 300.0  # seconds for one process
TOLD = 20_000  # characters of what a broken process printed: its end


@dataclass(frozen=True)
class Ended:
    """One case on one loop."""

    case: str
    defined: str
    outcome: str
    loops: int
    seconds: float
    output: str


@dataclass
class Run:
    """One module on one loop."""

    cases: dict[str, str] = field(default_factory=dict)  # all of the module: where each is written
    ended: dict[str, Ended] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)  # what failed outside of any case


def run_module(module: str, loop: str, directory: Path, wanted: list[str] | None = None) -> Run:
    """Run the cases of a module (by default all) on the "stock" loop, or on "tether"."""
    run = Run()
    left = wanted
    while left is None or left:
        directory.mkdir(parents=True, exist_ok=True)
        begun, printed = one_process(run, module, loop, directory, left or [])
        if begun is None:
            missing = set(wanted if wanted is not None else run.cases) - set(run.ended)
            if missing and not run.broken:
                run.broken.append(f"never ran: {', '.join(sorted(missing))}\n{printed}")
            break
        run.ended[begun] = Ended(begun, run.cases[begun], "failed", 1, 0.0, printed)
        left = [case for case in wanted or run.cases if case not in run.ended]
    return run


def one_process(
    run: Run, module: str, loop: str, directory: Path, wanted: list[str]
) -> tuple[str | None, str]:
    results = directory / "results.json"
    results.unlink(missing_ok=True)
    command = [sys.executable, str(PROGRAM), module, loop, str(results), *wanted]
    try:
        process = subprocess.run(
            command,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        printed, status = process.stdout[-TOLD:], process.returncode
    except subprocess.TimeoutExpired as error:
        printed, status = str(error), 1
    begun: str | None = None
    for line in results.read_text().splitlines() if results.exists() else []:
        told = json.loads(line)
        if "cases" in told:
            run.cases = told["cases"]
        elif "begins" in told:
            begun = told["begins"]
        elif "broken" in told:
            run.broken.append(told["output"])
        else:
            run.ended[told["case"]] = Ended(**told)
            begun = None
    if status and begun is None:
        run.broken.append(
            f"{module} on the {loop} loop: the process ended with {status}\n{printed}"
        )
    return begun, printed
