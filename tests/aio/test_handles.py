"""What `call_soon` and `call_at` return: asyncio's handles, as libraries know them."""

from __future__ import annotations

import asyncio
import operator
import sys
from collections.abc import Iterator

import pytest

import tether


@pytest.fixture
def loop() -> Iterator[tether.Loop]:
    loop = tether.Loop()
    yield loop
    loop.close()


def callback(*args: object) -> None:
    pass


def test_handles_are_asyncios(loop: tether.Loop) -> None:
    handle = loop.call_soon(callback)
    timer = loop.call_later(60, callback)
    assert isinstance(handle, asyncio.Handle)
    assert not isinstance(handle, asyncio.TimerHandle)
    assert isinstance(timer, asyncio.TimerHandle)


def test_a_handle_tells_what_it_calls(loop: tether.Loop) -> None:
    arguments = "(1)" if sys.version_info < (3, 13) else "()"
    assert f"<Handle callback{arguments} at {__file__}:" in repr(loop.call_soon(callback, 1))
    timer = loop.call_at(2.5, callback, 1)
    assert f"<TimerHandle when=2.5 callback{arguments} at " in repr(timer)
    timer.cancel()
    assert repr(timer) == "<TimerHandle cancelled when=2.5>"


def test_in_debug_mode_a_handle_tells_where_it_was_made(loop: tether.Loop) -> None:
    loop.set_debug(True)
    for handle in (
        loop.call_soon(callback, 1),
        loop.call_soon_threadsafe(callback, 1),
        loop.call_later(60, callback, 1),
    ):
        made = handle._source_traceback[-1]  # type: ignore[attr-defined]
        assert made.name == "test_in_debug_mode_a_handle_tells_where_it_was_made"
        assert repr(handle).endswith(f" created at {__file__}:{made.lineno}>")
        assert "callback(1)" in repr(handle)


def test_timers_compare_by_their_deadline(loop: tether.Loop) -> None:
    early, late = loop.call_at(1.0, callback), loop.call_at(2.0, callback)
    twin, other = loop.call_at(1.0, callback), loop.call_at(1.0, print)
    assert early < late and early <= late and late > early and late >= early
    assert not early > late and not late <= early
    assert early == twin and early <= twin and early >= twin and hash(early) == hash(twin)
    assert early != other and not early <= other and not early < other
    twin.cancel()
    assert early != twin
    assert early != 1.0
    with pytest.raises(TypeError):
        operator.lt(early, 1.0)
