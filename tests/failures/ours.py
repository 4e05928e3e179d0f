"""Meets every fault with tether and prints what it says, as JSON: `python -m tests.failures.ours`.

Knows tether and where the faults are; what ought to be said is not its business. It runs beside the
faults, in their network namespace, on the poller that TETHER_POLLER names.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

import tether
from tests.failures.faults import Place
from tests.failures.limits import no_descriptors, no_override
from tests.watch import Reports, open_descriptors, waiting_threads
from tether.http.first_reply import first_reply

AT_ONCE = 2  # each fault is met so often at the same time, and each one has to hear of it
HEARD: list[tether.NetworkError] = []  # kept, so that no two of them are at the same place


async def meet(
    name: str, place: Place, seconds: float, owner: tether.Scope, context: ssl.SSLContext
) -> None:
    """Go there, and fail."""
    if name == "the address to listen on is taken":
        tether.listen(place.address, lambda stream: None, owner=owner)
        return
    stream = await tether.connect(
        place.address,
        ssl=context if place.is_tls else None,
        timeout=seconds,
        proxy=place.proxy or None,
        local_address=place.local or None,
        resolver=tether.DNSResolver(cache=0)
        if place.resolver == "dns"
        else tether.Resolver(cache=0),
        owner=owner,
    )
    if name == "the peer does not read":
        stream.send(bytes(32 * 1024 * 1024))
        stream.close()
        await stream.wait_closed()
        assert stream.error is not None
        raise stream.error
    if name == "used after it closed":
        stream.close()
        await stream.wait_closed()
        await stream.send(b"too late")
    try:
        await first_reply(stream, "server.test", timeout=seconds)
    finally:
        stream.abort()


async def outcome(
    name: str, place: Place, seconds: float, context: ssl.SSLContext
) -> dict[str, Any]:
    """What came of it, how long it took, and what it left behind."""
    loop = asyncio.get_running_loop()
    owner = tether.Scope(name=name, linger=seconds)
    began = loop.time()
    try:
        await meet(name, place, seconds, owner, context)
    except tether.NetworkError as error:
        said = told(error)
    else:
        said = {"class": "no failure"}
    said["took"] = loop.time() - began
    # What failed ends by itself: a stream whose alert is on its way has a moment for it.
    while (left := owner.tree().splitlines()[1:]) and loop.time() < began + said["took"] + 3:
        await asyncio.sleep(0.01)
    said["left"] = left
    owner.close()
    await asyncio.wait_for(owner.wait_closed(), 5)
    return said


def told(error: tether.NetworkError) -> dict[str, Any]:
    """The fields of an error."""
    HEARD.append(error.with_traceback(None))
    detail = ""
    if isinstance(error, tether.CertificateError):
        detail = f"verify_code {error.verify_code}"
    elif isinstance(error, tether.TLSError):
        detail = error.openssl
    elif isinstance(error, tether.ConnectionClosed):
        detail = f"{error.bytes_received} bytes"
    elif isinstance(error, tether.TunnelError):
        detail = f"status {error.status}"
    return {
        "class": type(error).__name__,
        "bases": [one.__name__ for one in type(error).__mro__],
        "token": error.token,
        "phase": error.phase,
        "errno": error.errno,
        "address": error.address,
        "reason": error.reason,
        "detail": detail,
        "text": str(error),
        "identity": id(error),
        "elapsed": error.elapsed,
        "attempts": len(error.attempts),
    }


async def main(places: dict[str, Place], folder: Path, seconds: float) -> dict[str, Any]:
    """What is said of each fault: all of them at once, and then what concerns the process."""
    loop = asyncio.get_running_loop()
    logged = Reports()
    logging.getLogger().addHandler(logged)
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    root = loop.scope  # type: ignore[attr-defined]
    await outcome("nobody listens", places["nobody listens"], seconds, context)  # what is made once
    descriptors, threads, lines = (
        open_descriptors(),
        waiting_threads(),
        root.tree().splitlines()[1:],
    )
    alone = ("no descriptors", "a forbidden Unix socket")
    names = [name for name in places if name not in alone for _ in range(AT_ONCE)]
    outcomes = await asyncio.gather(
        *(outcome(name, places[name], seconds, context) for name in names)
    )
    said: dict[str, list[dict[str, Any]]] = {}
    for name, one in zip(names, outcomes, strict=True):
        said.setdefault(name, []).append(one)
    for name, limit in zip(alone, (no_descriptors, no_override), strict=True):
        with limit():
            said[name] = [await outcome(name, places[name], seconds, context)]
    # The system's resolver cannot be interrupted: its thread has its socket until it gives up.
    while any(one.name == "tether lookup" for one in threading.enumerate()):
        await asyncio.sleep(0.01)
    return {
        "poller": os.environ.get("TETHER_POLLER", "epoll"),
        "said": said,
        "left": {
            "descriptors": [
                what for number, what in open_descriptors().items() if number not in descriptors
            ],
            "threads": [one.name for one in waiting_threads() - threads],
            "members": [line for line in root.tree().splitlines()[1:] if line not in lines],
            "tasks": [
                repr(one) for one in asyncio.all_tasks() if one is not asyncio.current_task()
            ],
            "timers": loop.counts.pending_timers,  # type: ignore[attr-defined]
            "logged": logged.take(),
        },
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    places = {name: Place(**place) for name, place in given["places"].items()}
    print(json.dumps(tether.run(main(places, Path(given["folder"]), given["seconds"]))), flush=True)
