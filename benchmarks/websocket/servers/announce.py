"""What lives here: how a server of the benchmark learns its port and tells the runner.

It must not know any WebSocket library.
"""

from __future__ import annotations

import argparse


def requested_port() -> int:
    """Return the port of the command line's ``--port``; 0 (the default) takes a free one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    port: int = parser.parse_args().port
    return port


def announce(port: int) -> None:
    """Print ``PORT n``, the line that the runner waits for."""
    print(f"PORT {port}", flush=True)
