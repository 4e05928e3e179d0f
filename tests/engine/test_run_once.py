"""`run_once`: one pass, waiting or not, on a loop that asyncio finds running."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import pytest

import tether


def test_one_pass_runs_what_was_ready_and_nothing_that_it_adds(loop: tether.Loop) -> None:
    order: list[str] = []

    def first() -> None:
        order.append("first")
        loop.call_soon(order.append, "added")

    loop.call_soon(first)
    loop.call_soon(order.append, "second")
    assert loop.run_once(block=False) == 2
    assert order == ["first", "second"]
    assert loop.run_once() == 1
    assert order == ["first", "second", "added"]


def test_without_work_it_returns_at_once_where_it_may_not_block(loop: tether.Loop) -> None:
    loop.call_later(3600, print)
    assert loop.run_once(block=False) == 0
    assert loop.run_once(timeout=0) == 0


def test_a_timeout_limits_the_wait(loop: tether.Loop) -> None:
    begun = time.monotonic()
    assert loop.run_once(timeout=0.05) == 0
    assert time.monotonic() - begun >= 0.05


def test_it_blocks_until_a_timer_is_due(loop: tether.Loop) -> None:
    fired: list[float] = []
    due = loop.time() + 0.03
    loop.call_at(due, lambda: fired.append(loop.time()))
    while not fired:  # the poller may wake a little early, and serve nothing
        loop.run_once()
    assert fired[0] >= due
    assert loop.counts.passes <= 3


def test_it_blocks_until_a_descriptor_is_ready(loop: tether.Loop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        got: list[bytes] = []
        loop.add_reader(ours, lambda: got.append(ours.recv(16)))
        theirs.send(b"hello")
        assert loop.run_once() == 2  # the event, and the callback that asyncio queues for it
        assert got == [b"hello"]
        loop.remove_reader(ours)


def test_tasks_go_on_from_pass_to_pass(loop: tether.Loop) -> None:
    async def main() -> str:
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "done"

    task = loop.create_task(main())
    while not task.done():
        loop.run_once()
    assert task.result() == "done"
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_stop_inside_it_does_not_reach_the_next_run(loop: tether.Loop) -> None:
    loop.call_soon(loop.stop)
    loop.run_once()
    begun = time.monotonic()
    loop.run_once(timeout=0.02)
    assert time.monotonic() - begun >= 0.02


@pytest.mark.parametrize("nested", ["run_once", "run_forever", "another loop"])
@pytest.mark.parametrize("outer", ["run_once", "run_forever"])
def test_nested_runs_are_refused(loop: tether.Loop, outer: str, nested: str) -> None:
    errors: list[RuntimeError] = []
    another = tether.Loop()

    def nest() -> None:
        try:
            if nested == "run_forever":
                loop.run_forever()
            else:
                (loop if nested == "run_once" else another).run_once()
        except RuntimeError as error:
            errors.append(error)
        loop.stop()

    loop.call_soon(nest)
    if outer == "run_once":
        loop.run_once()
    else:
        loop.run_forever()
    assert len(errors) == 1
    assert "running" in str(errors[0])
    # The outer run was not disturbed: the next one still blocks, and still is one pass.
    loop.call_later(0.001, lambda: None)
    while not loop.run_once():
        pass
    another.close()


def test_a_closed_loop_does_not_run() -> None:
    loop = tether.Loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_once()


@pytest.mark.parametrize("timeout", [-0.1, float("nan")])
def test_a_timeout_is_zero_or_more(loop: tether.Loop, timeout: float) -> None:
    with pytest.raises(ValueError, match="0 seconds or more"):
        loop.run_once(timeout=timeout)


def test_an_exit_leaves_it_and_the_rest_runs_next_time(loop: tether.Loop) -> None:
    order: list[str] = []

    def leave() -> None:
        raise KeyboardInterrupt

    loop.call_soon(leave)
    loop.call_soon(order.append, "rest")
    with pytest.raises(KeyboardInterrupt):
        loop.run_once()
    assert order == []
    loop.run_once()
    assert order == ["rest"]


def test_it_makes_no_descriptor_of_its_own(loop: tether.Loop) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 the names, not the paths
    for _ in range(10):
        loop.run_once(block=False)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
