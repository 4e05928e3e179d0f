"""Waiting for what no call tells: asked again until it is so, with a deadline.

Knows functions that can be asked, nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 20.0
"""Seconds after which a test gives up."""


async def until(condition: Callable[[], object]) -> None:
    """Ask until it is true; the deadline is the one of the whole test."""
    while not condition():
        await asyncio.sleep(0.002)


async def settled(number: Callable[[], int]) -> int:
    """The number once it has stood still for a fifth of a second."""
    last = -1
    while last != (last := number()):
        await asyncio.sleep(0.2)
    return last
