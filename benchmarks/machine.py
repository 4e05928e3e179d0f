"""What lives here: the machine a benchmark runs on: its cores, its memory, what it is.

It must not know what is measured. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.build import installed_version


class MachineError(Exception):
    """The machine cannot give a figure that means something; the message says why."""


def two_cores() -> tuple[int, int]:
    """Return the core for the server and the core for the load.

    Raises:
        MachineError: this process may use one core only.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise MachineError("two cores are needed: one for the server, one for the load")
    return cores[0], cores[1]


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Within this, processes are started on that one core, and stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def resident_bytes(process: int) -> int:
    """Return the resident memory of a process, in bytes.

    Taken from its page tables; /proc/PID/status is off by up to some hundred KiB.
    """
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise MachineError("the kernel does not say how much memory is resident")


def settled_resident_bytes(process: int, *, deadline: float = 3.0) -> int:
    """Return the resident memory once it stands still, or after `deadline` seconds."""
    end = time.monotonic() + deadline
    memory = resident_bytes(process)
    while time.monotonic() < end:
        time.sleep(0.2)
        before, memory = memory, resident_bytes(process)
        if memory == before:
            break
    return memory


def description() -> str:
    """Return one line about processor, kernel and compiler; it names no host."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            model = value.strip()
            break
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True)
    return (
        f"{os.cpu_count()} cores ({model}, {platform.machine()}), "
        f"Linux {platform.release()}, {compiler.stdout.splitlines()[0]}"
    )


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of each package that takes part."""
    found = {"Python": platform.python_version()}
    for package in dict.fromkeys(packages):
        version = installed_version(package)
        if version is not None:
            found[package] = version
    return found
