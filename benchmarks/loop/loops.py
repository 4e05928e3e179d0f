"""What lives here: how each loop that takes part is made.

It must not know what the loops are made to do.
"""

from __future__ import annotations

import asyncio
import importlib

# Name -> module and factory, at the settings its documentation gives.
FACTORIES = {
    "tether": ("tether", "Loop"),
    "tether-watch": ("tether", "Loop"),
    "tether-stream": ("tether", "Loop"),
    "asyncio": ("asyncio", "SelectorEventLoop"),
    "uvloop": ("uvloop", "new_event_loop"),
    "rloop": ("rloop", "new_event_loop"),
    "rsloop": ("rsloop", "new_event_loop"),
}


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """Return a new loop of that name.

    Raises:
        KeyError: there is no such loop.
        ImportError: it is not installed.
    """
    if name == "aiofastnet":
        import aiofastnet

        return aiofastnet.loop_factory(asyncio.SelectorEventLoop)()
    module, factory = FACTORIES[name]
    loop: asyncio.AbstractEventLoop = getattr(importlib.import_module(module), factory)()
    return loop
