# What Python sees of the native half of the loop (engine.pyx). A test holds the two together.
# It is mixed with asyncio's loop: what both have is typed as asyncio has it.

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

from _typeshed import HasFileno

from tether.engine.poller import Poller
from tether.engine.scope import Scope

_Args = TypeVarTuple("_Args")

class Engine:
    def __init__(self, *, poller: str | None = None, flush_every: int = 32) -> None: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def poller(self) -> Poller: ...
    def tree(self) -> str: ...
    def time(self) -> float: ...
    def call_soon(
        self,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.Handle: ...
    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.Handle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def _ensure_fd_no_transport(self, fd: int | HasFileno) -> None: ...
    def shut(self) -> None: ...
    def shut_poller(self) -> None: ...
