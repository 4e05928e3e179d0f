"""The network of the faults: makes them all, and has clients meet them at the same time.

Run in a namespace by `meet`, which any test may call; inside, `python -m tests.failures.network`.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.connect.namespace import need_tool, run_in_namespace
from tests.failures import faults

ROOT = Path(__file__).parents[2]
SECONDS = 1.0
"""The deadline of every client, for each of its steps."""


@functools.cache
def meet(*clients: str) -> dict[str, Any]:
    """What each client says of each fault, all met at the same time.

    Args:
        clients: "peers", or a poller for tether on it.
    """
    need_tool("nft")
    with TemporaryDirectory() as folder:
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
            f"from tests.failures.network import run; run({folder!r}, {clients!r})\n"
        )
        said: dict[str, Any] = json.loads(
            run_in_namespace(
                program,
                Path(folder),
                setup=faults.SETUP,
                hosts=faults.HOSTS,
                resolv=faults.RESOLV,
            )
        )
    return said


def run(folder: str, clients: tuple[str, ...]) -> None:
    """In the namespace: print what all clients said, as one JSON object."""
    places = faults.make(Path(folder))
    given = json.dumps(
        {
            "places": {name: asdict(place) for name, place in places.items()},
            "folder": folder,
            "seconds": SECONDS,
        }
    )
    started = {
        client: subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error" if client != "peers" else "ignore",
                "-m",
                f"tests.failures.{'peers' if client == 'peers' else 'ours'}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | ({} if client == "peers" else {"TETHER_POLLER": client}),
        )
        for client in clients
    }
    for process in started.values():
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
    said = {}
    for client, process in started.items():
        assert process.stdout is not None
        said[client] = json.loads(process.stdout.read() or "null")
        process.wait()
    print(json.dumps({"folder": folder, "said": said}), flush=True)
    os._exit(0)  # its threads serve until the end
