"""`getaddrinfo` and `getnameinfo` of the loop, with its deadline. Knows lookups, no connection."""

from __future__ import annotations

import time
from asyncio import base_events
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from tether.errors import ResolveTimeout
from tether.stream.lookups import look_up

if TYPE_CHECKING:
    from tether.aio.loop import Loop

T = TypeVar("T")

#: Seconds. The system's resolver itself is through with three silent name servers after 30.
RESOLVE_TIMEOUT = 30.0


async def get_address_info(
    loop: Loop, host: Any, port: Any, family: int, kind: int, proto: int, flags: int
) -> Any:
    """What `loop.getaddrinfo` returns.

    Raises:
        ResolveTimeout: no answer before the loop's `resolve_timeout`.
    """
    # In debug mode the standard library's own, which says what was slow.
    # asyncio's `socket` is looked up when it is asked: who replaces the resolver does it there.
    plain: Callable[..., Any] = base_events.socket.getaddrinfo  # type: ignore[attr-defined]
    ask = getattr(loop, "_getaddrinfo_debug") if loop.get_debug() else plain  # noqa: B009
    return await _ask(loop, str(host), ask, host, port, family, kind, proto, flags)


async def get_name_info(loop: Loop, address: Any, flags: int) -> Any:
    """What `loop.getnameinfo` returns.

    Raises:
        ResolveTimeout: no answer before the loop's `resolve_timeout`.
    """
    return await _ask(loop, str(address), base_events.socket.getnameinfo, address, flags)  # type: ignore[attr-defined]


async def _ask(loop: Loop, peer: str, function: Callable[..., T], *args: Any) -> T:
    started = time.monotonic()
    try:
        return await look_up(function, *args, timeout=loop.resolve_timeout)
    except TimeoutError:
        elapsed = time.monotonic() - started
        raise ResolveTimeout(phase="resolve", peer=peer, elapsed=elapsed) from None
