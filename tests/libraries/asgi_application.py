"""An ASGI application that says which loop it runs on, without any framework.

Knows ASGI, nothing of uvicorn.
"""

from __future__ import annotations

import asyncio
from typing import Any


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await websocket(receive, send)
    else:
        await http(scope, receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("the end", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def websocket(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        kept = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **kept})


async def http(scope: Any, receive: Any, send: Any) -> None:
    loop = asyncio.get_running_loop()
    found = [type(loop).__module__, type(loop).__name__, scope["scheme"]]
    headers = [(b"loop", " ".join(found).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    more = True
    while more:  # what came goes back
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
        body = message.get("body", b"")
        await send({"type": "http.response.body", "body": body, "more_body": more})
