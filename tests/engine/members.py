"""Members for the scopes of the tests: things, and tasks that say when they are cancelled."""

from __future__ import annotations

import asyncio


class Thing:
    """Anything with `close()`."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name = name
        self.order = order

    def close(self) -> None:
        self.order.append(self.name)


async def until_cancelled(name: str, order: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        order.append(name)
        raise
