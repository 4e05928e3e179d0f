"""Lookups of names in threads that nobody waits for. Knows threads and a loop, no socket.

The system's resolver blocks and cannot be interrupted. So lookups have threads of their own, which
are daemons: a silent name server holds neither the process at its exit nor the loop's executor. A
lookup whose caller gave up keeps its thread until the system answers, but not its place: the next
one gets a fresh thread, and never waits behind a dead server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Lookups at once; more wait for their turn.
MOST_THREADS = 32


async def look_up(function: Callable[..., T], *args: Any, timeout: float | None) -> T:
    """What `function(*args)` returns or raises, from a thread.

    Args:
        function: what blocks, such as `socket.getaddrinfo`.
        timeout: seconds until `TimeoutError`, None to wait for as long as it takes.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    lookup = _Lookup(loop, answer, function, args)
    _threads.start(lookup)
    try:
        async with asyncio.timeout(timeout):
            return await answer
    finally:
        if not lookup.is_over:
            _threads.abandon(lookup)


class _Lookup(Generic[T]):
    is_running = False
    is_over = False  # it ran, or nobody waits for it any more

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: asyncio.Future[T],
        function: Callable[..., T],
        args: tuple[Any, ...],
    ) -> None:
        self.loop = loop
        self.answer = answer
        self.function = function
        self.args = args
        self.settle: tuple[Callable[[Any], None], Any]

    def ask(self) -> None:
        """In the thread: whatever it raises is the answer too."""
        try:
            self.settle = self.answer.set_result, self.function(*self.args)
        except BaseException as error:
            self.settle = self.answer.set_exception, error

    def tell(self) -> None:
        """In the thread: let the loop know."""
        # Where the loop is closed, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(_settle, self.answer, *self.settle)


def _settle(answer: asyncio.Future[Any], method: Callable[[Any], None], value: Any) -> None:
    if not answer.done():
        method(value)


class _Threads:
    """As many as there is work for; one that finds none ends."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: deque[_Lookup[Any]] = deque()
        self.count = 0

    def start(self, lookup: _Lookup[Any]) -> None:
        with self.lock:
            self.waiting.append(lookup)
        self.add_thread()

    def add_thread(self) -> None:
        with self.lock:
            if not self.waiting or self.count >= MOST_THREADS:
                return
            self.count += 1
        try:
            threading.Thread(target=self.work, name="tether lookup", daemon=True).start()
        except RuntimeError:
            # No thread to be had. Where others work, they will come to it.
            with self.lock:
                self.count -= 1
                if self.count == 0:
                    raise

    def work(self) -> None:
        while True:
            with self.lock:
                if not self.waiting:
                    self.count -= 1
                    return
                lookup = self.waiting.popleft()
                lookup.is_running = True
            lookup.ask()
            with self.lock:
                was_abandoned, lookup.is_over = lookup.is_over, True
            lookup.tell()
            if was_abandoned:
                return  # its place was given away

    def abandon(self, lookup: _Lookup[Any]) -> None:
        with self.lock:
            if lookup.is_over:
                return
            lookup.is_over = True
            if not lookup.is_running:
                self.waiting.remove(lookup)
                return
            self.count -= 1
        self.add_thread()


_threads = _Threads()


def _forget() -> None:
    # A forked child has none of the threads.
    global _threads
    _threads = _Threads()


os.register_at_fork(after_in_child=_forget)
