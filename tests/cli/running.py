"""Starts the real command in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 20.0
"""Seconds after which a test gives up on a process."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tether", *arguments]


def environment() -> dict[str, str]:
    # Nothing may depend on the output being line-buffered, or on the user's language.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    path = os.environ.get("PYTHONPATH")
    return kept | ({"PYTHONPATH": path} if path else {}) | {"COLUMNS": "100"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that is expected to end by itself."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(),
        check=False,
    )


class Served:
    """A `tether serve` that printed its link."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self._log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            command("serve", *arguments),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment(),
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        found = re.fullmatch(r"Device server on (?:http://(\S+:\d+)/|unix:\S+)\n", self.line)
        assert found, self.line + self.log
        self.address = found[1] or ""

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        self._log.flush()
        return Path(self._log.name).read_text()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
