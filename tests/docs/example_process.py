"""An example of `examples/` in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.docs.documents import ROOT

RUNNER = Path(__file__).with_name("running_example.py")
PATIENCE = 20.0
"""Seconds after which a test gives up on a process."""


class Example:
    """An example of `examples/` that serves."""

    def __init__(self, name: str, log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", str(RUNNER), str(ROOT / "examples" / name)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        line = ""
        while not line.startswith("serving "):
            line = self.process.stdout.readline()
            assert line, f"{name} ended before it served: {self.log}"
        self.address = line.split("http://")[1].strip()

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return self._log.read_text()

    def interrupt(self) -> int:
        """Stop it as Ctrl-C does; its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """Stop it in any case."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
