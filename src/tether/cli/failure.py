"""How a command says that it failed: one line for people, an exit status for programs.

The statuses are those of `sysexits.h`, which systemd and others show by name.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CONFIG", "NO_PERMISSION", "UNAVAILABLE", "USAGE", "CommandFailed"]

USAGE: Final = 2
"""The arguments are wrong; the status that argparse uses."""
UNAVAILABLE: Final = 69
"""The address cannot be had: the port is taken, or no interface has it."""
NO_PERMISSION: Final = 77
"""The system does not allow it, or tether itself refuses to be that open."""
CONFIG: Final = 78
"""The configuration file is missing or wrong."""


class CommandFailed(Exception):
    """Ends the command with a sentence and a status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
