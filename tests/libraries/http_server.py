"""An aiohttp server within the test, on the loop that runs.

Knows aiohttp's server, no test.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


@asynccontextmanager
async def serving(
    app: web.Application, *, tls: ssl.SSLContext | None = None, path: str = "", **options: Any
) -> AsyncIterator[str]:
    """Serve `app` on a free port, or on the Unix socket `path`, and give its address.

    Args:
        options: what `web.AppRunner` takes.
    """
    runner = web.AppRunner(app, **options)
    await runner.setup()
    try:
        if path:
            await web.UnixSite(runner, path).start()
            yield "http://localhost"
        else:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            port = runner.addresses[0][1]
            yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
