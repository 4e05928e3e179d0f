"""Runs a program in a network and mount namespace of its own, where the test makes the faults.

Knows `unshare` and `ip`; nothing has to be cleaned up, it all ends with the process.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tether


@functools.cache
def _prefix() -> tuple[str, ...] | str:
    """The command that enters a namespace, or the reason why there is none."""
    for tool in ("unshare", "ip", "mount"):
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"no {tool} on this machine"
    prefix = ["unshare", "-n", "-m"]
    if os.geteuid() != 0:
        prefix.append("--map-root-user")
    tried = subprocess.run(
        [*prefix, "sh", "-ec", "ip link set lo up"], capture_output=True, text=True, check=False
    )
    return tuple(prefix) if tried.returncode == 0 else f"not allowed: {tried.stderr.strip()}"


def need_tool(name: str) -> None:
    """Skip the test where the machine has no such command; under CI that is a failure."""
    if shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
        if os.environ.get("CI"):
            pytest.fail(f"needs the command {name}")
        pytest.skip(f"needs the command {name}")


def need_namespace() -> tuple[str, ...]:
    """Skip the test where there is no namespace to be had; under CI that is a failure."""
    prefix = _prefix()
    if isinstance(prefix, str):
        message = f"needs a network and mount namespace (unshare -n -m): {prefix}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return prefix


def run_in_namespace(
    program: str, folder: Path, *, setup: str = "", hosts: str = "", resolv: str = ""
) -> str:
    """What `program` printed; it must end well and write nothing to standard error.

    Args:
        folder: where files for the namespace may be made.
        setup: shell commands to run in it first.
        hosts, resolv: what the namespace has as /etc/hosts and /etc/resolv.conf.
    """
    prefix = need_namespace()
    commands = ["ip link set lo up", setup]
    for name, text in (("hosts", hosts), ("resolv.conf", resolv)):
        if text:
            (folder / name).write_text(text)
            commands.append(f'mount --bind "{folder / name}" /etc/{name}')
    script = "\n".join([*commands, 'exec "$@"'])
    done = subprocess.run(
        [
            *prefix,
            "sh",
            "-ec",
            script,
            "sh",
            sys.executable,
            "-W",
            "error",
            "-c",
            textwrap.dedent(program),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(tether.__file__).parents[1]),
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
        },
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr or done.stdout
    return done.stdout
