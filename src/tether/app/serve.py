"""Running an application until a signal comes. Knows servers and the loop, no routes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterable
from typing import Any

from tether.aio.loop import run
from tether.app.server import Application, Server, serving


def serve(
    application: Application,
    address: str | Iterable[str],
    *,
    on_ready: Callable[[Server], Any] | None = None,
    **limits: Any,
) -> None:
    """Serve until SIGINT or SIGTERM, then stop gracefully: running requests finish, sessions are
    closed with 1001. A second signal stops at once.

    Args:
        application: an `App`.
        address: one or several, as `tether.listen` takes them: "host:port" (port 0 picks one).
        on_ready: called with the `Server` once it accepts.
        limits: as `App.listen` takes them.

    Raises:
        LocalError: the address is taken or not permitted.
    """
    run(_serve(application, address, on_ready, limits))


async def _serve(
    application: Application,
    address: str | Iterable[str],
    on_ready: Callable[[Server], Any] | None,
    limits: dict[str, Any],
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    server: Server | None = None

    def stop() -> None:
        if stopped.is_set() and server is not None:
            server.abort()  # asked twice: nobody is waited for any more
        stopped.set()

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        async with serving(application, address, **limits) as server:
            server.on_close(lambda cause: stopped.set())
            if on_ready is not None:
                on_ready(server)
            await stopped.wait()
    finally:
        for number in signals:
            with contextlib.suppress(RuntimeError):
                loop.remove_signal_handler(number)
