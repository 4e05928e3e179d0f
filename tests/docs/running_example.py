"""Runs an example as a person would, but on a free port: `running_example.py [--once] FILE ...`.

Prints `serving URL` once it serves; with --once it stops then, as if a signal had come.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterable
from typing import Any

import tether
from tether.app.server import Application

serve = tether.serve
once = sys.argv[1] == "--once"
sys.argv = sys.argv[2 if once else 1 :]


def serve_on_a_free_port(
    application: Application,
    address: str | Iterable[str],
    *,
    on_ready: Callable[[tether.Server], Any] | None = None,
    **limits: Any,
) -> None:
    def ready(server: tether.Server) -> None:
        if on_ready is not None:
            on_ready(server)
        print(f"serving {server.url}", flush=True)
        if once:
            server.close()

    serve(application, "127.0.0.1:0", on_ready=ready, **limits)


tether.serve = serve_on_a_free_port
runpy.run_path(sys.argv[0], run_name="__main__")
