"""Callbacks before and after the loop looks for events."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

import tether
from tests.watch import Reports


def test_they_run_around_the_polling_in_the_order_they_were_set(loop: tether.Loop) -> None:
    order: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.on_check(lambda: order.append("check"))
        loop.on_prepare(lambda timeout: order.append("prepare"))
        loop.on_prepare(lambda timeout: order.append("prepare again"))
        loop.add_reader(ours, lambda: order.append(ours.recv(16).decode()))
        theirs.send(b"event")
        loop.run_once()
        assert order == ["prepare", "prepare again", "check", "event"]
        loop.remove_reader(ours)


def test_prepare_is_told_how_long_the_loop_is_about_to_wait(loop: tether.Loop) -> None:
    told: list[float | None] = []
    loop.on_prepare(told.append)
    loop.run_once(timeout=0.001)
    assert told == [0.001]
    loop.run_once(block=False)
    assert told[1:] == [0]
    loop.call_later(0.002, lambda: None)
    loop.run_once(timeout=60)
    assert told[2] is not None
    assert 0 <= told[2] <= 0.002
    loop.call_soon_threadsafe(lambda: None)
    loop.run_once()
    assert told[-1] == 0


def test_prepare_is_told_none_where_nothing_ends_the_wait(loop: tether.Loop) -> None:
    told: list[float | None] = []

    def prepare(timeout: float | None) -> None:
        told.append(timeout)
        loop.call_soon(loop.stop)

    hook = loop.on_prepare(prepare)
    loop.run_once()
    assert told == [None]
    hook.cancel()


def test_what_prepare_makes_ready_is_not_waited_for(loop: tether.Loop) -> None:
    ran: list[str] = []
    hook = loop.on_prepare(lambda timeout: loop.call_soon(ran.append, "soon"))
    loop.run_once()
    assert ran == ["soon"]
    hook.cancel()
    hook = loop.on_prepare(lambda timeout: loop.call_later(0.001, ran.append, "later"))
    while len(ran) < 2:
        loop.run_once()
    assert ran[1] == "later"
    hook.cancel()


def set_hook(
    loop: tether.Loop, kind: str, callback: Callable[[], object], owner: tether.Scope | None = None
) -> tether.Hook:
    if kind == "check":
        return loop.on_check(callback, owner=owner)
    return loop.on_prepare(lambda timeout: callback(), owner=owner)


@pytest.mark.parametrize("kind", ["prepare", "check"])
def test_a_cancelled_one_is_not_called_any_more(loop: tether.Loop, kind: str) -> None:
    calls: list[str] = []

    def first() -> None:
        calls.append("first")
        own.cancel()
        other.cancel()
        own.cancel()

    own = set_hook(loop, kind, first)
    other = set_hook(loop, kind, lambda: calls.append("other"))
    assert own.active
    loop.run_once(block=False)
    loop.run_once(block=False)
    assert calls == ["first"]
    assert not own.active
    assert not other.active


@pytest.mark.parametrize("kind", ["prepare", "check"])
def test_it_ends_with_its_owner(loop: tether.Loop, kind: str) -> None:
    calls: list[str] = []
    owner = tether.Scope(loop.scope, name="owner")

    def close() -> None:
        calls.append("called")
        owner.close()

    hook = set_hook(loop, kind, close, owner)
    loop.run_once(block=False)
    loop.run_once(block=False)
    assert calls == ["called"]
    assert not hook.active
    with pytest.raises(tether.Closed):
        loop.on_check(print, owner=owner)


def test_a_failure_is_logged_and_the_loop_goes_on(loop: tether.Loop, reports: Reports) -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ValueError("planned")

    hook = loop.on_check(fail)
    loop.run_once(block=False)
    loop.run_once(block=False)
    assert len(calls) == 2
    hook.cancel()
    assert [str(error) for error in reports.take_errors()] == ["planned", "planned"]


def test_a_coroutine_function_is_spawned(loop: tether.Loop) -> None:
    ran = asyncio.Event()

    async def check() -> None:
        ran.set()
        hook.cancel()

    hook = loop.on_check(check)
    loop.run_until_complete(ran.wait())


def test_tree_shows_them_under_their_owner(loop: tether.Loop) -> None:
    owner = tether.Scope(loop.scope, name="owner")
    loop.on_prepare(print, owner=owner)
    loop.on_check(print)
    lines = loop.tree().splitlines()
    assert "    <on_prepare print>" in lines
    assert "  <on_check print>" in lines


@pytest.mark.parametrize("wrong", [None, "print"])
def test_what_is_not_callable_is_refused_at_once(loop: tether.Loop, wrong: object) -> None:
    with pytest.raises(TypeError, match="callable"):
        loop.on_prepare(wrong)  # type: ignore[arg-type]


def test_the_owner_lives_on_the_same_loop(loop: tether.Loop) -> None:
    another = tether.Loop()
    with pytest.raises(ValueError, match="another loop"):
        loop.on_check(print, owner=another.scope)
    another.close()
