"""Meets the same faults with asyncio's streams, aiohttp and httpx, and prints what they say.

`python -m tests.failures.peers`. Knows these three and where the faults are; each gets the same
deadline for each of its steps.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from tests.failures.faults import Place
from tests.failures.limits import no_descriptors, no_override

#: Nobody but tether has these.
NOT_MET = {"the address to listen on is taken", "the peer does not read", "used after it closed"}


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def url(place: Place) -> str:
    host = "localhost" if place.address.startswith("unix:") else place.address
    return f"{'https' if place.is_tls else 'http'}://{host}/"


async def asyncio_streams(place: Place, context: ssl.SSLContext, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        if place.address.startswith("unix:"):
            opening = asyncio.open_unix_connection(place.address.removeprefix("unix:"))
        else:
            more: dict[str, Any] = {"ssl": context} if place.is_tls else {}
            if place.local:
                more["local_addr"] = (place.local, 0)
            opening = asyncio.open_connection(*split(place.address), **more)
        reader, writer = await opening
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: server.test\r\n\r\n")
        async with asyncio.timeout(seconds):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head
    finally:
        writer.transport.abort()


async def with_aiohttp(place: Place, context: ssl.SSLContext, seconds: float) -> None:
    timeout = aiohttp.ClientTimeout(
        total=None, connect=seconds, sock_connect=seconds, sock_read=seconds
    )
    connector: aiohttp.BaseConnector
    if place.address.startswith("unix:"):
        connector = aiohttp.UnixConnector(place.address.removeprefix("unix:"))
    else:
        local = (place.local, 0) if place.local else None
        connector = aiohttp.TCPConnector(
            local_addr=local, ssl=context, resolver=aiohttp.ThreadedResolver()
        )
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(url(place), proxy=place.proxy or None) as reply,
    ):
        await reply.read()


async def with_httpx(place: Place, context: ssl.SSLContext, seconds: float) -> None:
    transport = None
    if place.address.startswith("unix:"):
        transport = httpx.AsyncHTTPTransport(uds=place.address.removeprefix("unix:"))
    elif place.local:
        transport = httpx.AsyncHTTPTransport(local_address=place.local)
    async with httpx.AsyncClient(
        verify=context,
        timeout=seconds,
        transport=transport,
        proxy=place.proxy or None,
        trust_env=False,
    ) as client:
        await client.get(url(place))


PEERS: dict[str, Callable[[Place, ssl.SSLContext, float], Awaitable[None]]] = {
    "asyncio streams": asyncio_streams,
    "aiohttp": with_aiohttp,
    "httpx": with_httpx,
}


def meets(peer: str, name: str, place: Place) -> bool:
    """Whether the peer can be asked to go there at all."""
    if name in NOT_MET or place.resolver != "system" or place.proxy.startswith("socks5"):
        return False
    return peer != "asyncio streams" or not place.proxy


def detail_of(error: Exception) -> str:
    """What else a program finds in the fields that the class has, if anything."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"verify_code {inner.verify_code}"
    if isinstance(inner, ssl.SSLError):
        return inner.reason or ""
    if isinstance(error, asyncio.IncompleteReadError):
        return f"{len(error.partial)} bytes"
    return ""


async def outcome(
    peer: str, place: Place, context: ssl.SSLContext, seconds: float
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    said: dict[str, Any] = {"class": "no failure", "errno": None, "detail": "", "text": ""}
    try:
        async with asyncio.timeout(10 * seconds):
            await PEERS[peer](place, context, seconds)
    except (OSError, EOFError, ValueError, aiohttp.ClientError, httpx.HTTPError) as error:
        said = {
            "class": type(error).__name__,
            "errno": getattr(error, "errno", None),
            "detail": detail_of(error),
            "text": str(error),
        }
    except asyncio.LimitOverrunError as error:  # it is none of those above
        said |= {"class": type(error).__name__, "text": str(error)}
    return said | {"took": loop.time() - began}


async def main(places: dict[str, Place], folder: Path, seconds: float) -> dict[str, Any]:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    alone = {"no descriptors": no_descriptors, "a forbidden Unix socket": no_override}
    pairs = [
        (peer, name) for peer in PEERS for name, place in places.items() if meets(peer, name, place)
    ]
    together = [pair for pair in pairs if pair[1] not in alone]
    outcomes = await asyncio.gather(
        *(outcome(peer, places[name], context, seconds) for peer, name in together)
    )
    said: dict[str, dict[str, Any]] = {peer: {} for peer in PEERS}
    for (peer, name), one in zip(together, outcomes, strict=True):
        said[peer][name] = one
    for peer, name in pairs:
        if name in alone:
            with alone[name]():
                said[peer][name] = await outcome(peer, places[name], context, seconds)
    return {
        "versions": {"aiohttp": aiohttp.__version__, "httpx": httpx.__version__},
        "said": said,
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    places = {name: Place(**place) for name, place in given["places"].items()}
    runner = asyncio.Runner()
    found = runner.run(main(places, Path(given["folder"]), given["seconds"]))
    print(json.dumps(found), flush=True)
    os._exit(0)  # threads that ask a silent name server would hold it back
