"""The command `tether`: its arguments, its help, and the exit status of a failure.

It must not know what a command does; each command has a file of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, cast

from tether.cli import doctor, serve
from tether.cli.failure import USAGE, CommandFailed

__all__ = ["main"]

_DESCRIPTION: Final = """\
tether shows the sensors of this machine in a browser and switches its devices, live.

    tether serve        start the device server and print the link to open
    tether doctor       say why a connection fails, or that it works

Without any configuration it finds what the machine has; where it has no LED to switch, it adds
a simulated board, marked as such."""

_EPILOG: Final = """\
`tether serve --help` tells about addresses, the configuration file and exit statuses, and
`tether doctor --help` about what is tried, and the exit status of each phase."""


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and where to read more."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser(version: str) -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    parser = _Parser(
        prog="tether",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tether {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    serve.add_to(commands)
    doctor.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    from tether import __version__  # here, so that a broken build still explains itself

    parser = build_parser(__version__)
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    run = cast("Callable[[argparse.Namespace, str], int]", chosen.run)
    try:
        return run(chosen, __version__)
    except CommandFailed as failure:
        print(f"tether: {failure}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        # Whoever read the output has left; nothing more is written to it, at the exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        # Before the server took over the signal.
        return 130
