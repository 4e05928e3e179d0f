# What Python sees of the native half of the loop (engine.pyx). A test holds the two together.
# It is mixed with asyncio's loop: what both have is typed as asyncio has it.

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

from _typeshed import HasFileno

from tether.engine.counts import Counts
from tether.engine.hooks import Hook
from tether.engine.lag import Lag
from tether.engine.poller import Poller
from tether.engine.scope import Scope

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

class Engine:
    def __init__(
        self,
        *,
        poller: str | None = None,
        flush_every: int = 32,
        max_dispatch: float | None = None,
        max_callbacks: int | None = None,
    ) -> None: ...
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
    def create_future(self) -> asyncio.Future[Any]: ...
    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[_T]: ...
    def _ensure_fd_no_transport(self, fd: int | HasFileno) -> None: ...
    def run_once(self, block: bool = True, *, timeout: float | None = None) -> int: ...
    def stop(self, *, at_once: bool = False) -> None: ...
    def on_prepare(
        self, callback: Callable[[float | None], object], *, owner: Scope | None = None
    ) -> Hook: ...
    def on_check(self, callback: Callable[[], object], *, owner: Scope | None = None) -> Hook: ...
    @property
    def lag(self) -> Lag: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def now(self) -> float: ...
    def _share_signal(self, number: int) -> None: ...
    def shut(self) -> None: ...
    def shut_poller(self) -> None: ...

def inherit_loops() -> None: ...
