"""Puts `tether.Loop` where CPython's tests make a loop. Knows asyncio's names and no test."""

from __future__ import annotations

import asyncio
import selectors
import types
from asyncio import base_events
from collections.abc import Callable
from typing import Any

import tether
from tether.engine.pollers import POLLERS


class LoopInPlace(tether.Loop):
    """`tether.Loop` as `asyncio.SelectorEventLoop` is called; a selector chooses its poller."""

    made = 0

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        LoopInPlace.made += 1
        wanted = type(selector).__name__.removesuffix("Selector").lower()
        if selector is not None:
            selector.close()
        super().__init__(poller=wanted if wanted in POLLERS else None)


class BaseInPlace(LoopInPlace):
    """In place of `asyncio.BaseEventLoop`, whose tests mock what polls and go step by step."""

    stepping = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_write_to_self":
            wake: Any = super()
            value.side_effect = wake._write_to_self  # the engine really sleeps
        super().__setattr__(name, value)

    def run_forever(self) -> None:
        self.stepping = False
        try:
            super().run_forever()
        finally:
            self.stepping = True

    def _run_once(self) -> None:
        # A test that calls it means one pass that does not wait.
        engine: Any = super()
        if self.stepping:
            self._stopping = True
        engine._run_once()
        if self.stepping:
            self._stopping = False


def put_tether_in_place() -> Callable[[], int]:
    """From now on who asks asyncio for a loop gets tether's. Returns what counts them.

    The policy's factory serves `asyncio.run`, `asyncio.new_event_loop` and unittest's own cases;
    the names of the package serve who makes a loop by its class.
    """
    policy: Any = asyncio.DefaultEventLoopPolicy
    policy._loop_factory = LoopInPlace
    names: Any = asyncio
    names.SelectorEventLoop = LoopInPlace
    names.BaseEventLoop = BaseInPlace
    if hasattr(asyncio, "EventLoop"):
        names.EventLoop = LoopInPlace
    return lambda: LoopInPlace.made


def put_tether_into(tests: types.ModuleType) -> None:
    """`test_base_events` makes its loops as `base_events.BaseEventLoop()`."""
    if tests.__name__.endswith(".test_base_events"):
        seen = types.ModuleType("base_events")
        seen.__dict__.update(base_events.__dict__, BaseEventLoop=BaseInPlace)
        tests.__dict__["base_events"] = seen
