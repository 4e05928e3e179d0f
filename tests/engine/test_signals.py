"""`scope.on_signal`: several callbacks for a signal, counted, and back to what was there before."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import tether
from tests.watch import Reports

NUMBER = signal.SIGUSR1


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    before = signal.getsignal(NUMBER)
    yield
    assert signal.getsignal(NUMBER) is before


def test_several_callbacks_hear_of_one_signal(loop: tether.Loop) -> None:
    order: list[str] = []
    scopes = [tether.Scope(loop.scope) for _ in range(2)]
    scopes[0].on_signal(NUMBER, order.append, "first")
    scopes[1].on_signal(NUMBER, order.append, "second")
    scopes[1].on_signal(signal.SIGUSR2, order.append, "another signal")
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert order == ["first", "second"]
    scopes[0].close()
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert order == ["first", "second", "second"]


def test_deliveries_between_two_passes_are_counted_and_told_once(loop: tether.Loop) -> None:
    calls: list[int] = []
    watched: tether.Signal = loop.scope.on_signal(NUMBER, lambda: calls.append(watched.latest))
    for _ in range(10_000):
        signal.raise_signal(NUMBER)
    loop.run_once()
    assert calls == [10_000]
    for _ in range(3):
        signal.raise_signal(NUMBER)
    loop.run_once()
    assert calls == [10_000, 3]
    assert watched.count == 10_003
    assert loop.run_once(block=False) == 0


def test_a_sleeping_loop_is_woken(loop: tether.Loop) -> None:
    got = asyncio.Event()
    loop.scope.on_signal(NUMBER, got.set)

    def send() -> None:
        time.sleep(0.05)  # the loop sleeps by now
        os.kill(os.getpid(), NUMBER)

    sender = threading.Thread(target=send)
    sender.start()
    begun = time.monotonic()
    loop.run_until_complete(asyncio.wait_for(got.wait(), 10))
    assert time.monotonic() - begun < 5
    sender.join()


def test_a_signal_that_another_thread_takes_is_counted(loop: tether.Loop) -> None:
    watched = loop.scope.on_signal(NUMBER, lambda: None)

    def take() -> None:
        for _ in range(100):
            signal.pthread_kill(threading.get_ident(), NUMBER)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.run_once()
    assert watched.count == 400


@pytest.mark.parametrize("previous", ["default", "ignored", "a Python handler"])
def test_what_was_there_before_is_put_back_by_the_last(loop: tether.Loop, previous: str) -> None:
    called: list[int] = []
    handlers: dict[str, signal.Handlers | Callable[[int, object], None]] = {
        "default": signal.SIG_DFL,
        "ignored": signal.SIG_IGN,
        "a Python handler": lambda number, frame: called.append(number),
    }
    original = signal.signal(NUMBER, handlers[previous])
    try:
        watches = [loop.scope.on_signal(NUMBER, lambda: None) for _ in range(2)]
        signal.raise_signal(NUMBER)
        assert called == []  # the scope has it now
        watches[0].cancel()
        watches[0].cancel()
        assert signal.getsignal(NUMBER) is not handlers[previous]
        watches[1].cancel()
        assert signal.getsignal(NUMBER) is handlers[previous]
        if previous == "a Python handler":
            signal.raise_signal(NUMBER)
            assert called == [NUMBER]
        elif previous == "ignored":
            signal.raise_signal(NUMBER)
        assert [watch.active for watch in watches] == [False, False]
    finally:
        signal.signal(NUMBER, original)


def test_default_action_is_back_after_the_close() -> None:
    program = """
import os, signal, tether
loop = tether.Loop()
loop.scope.on_signal(signal.SIGTERM, print, "told", )
signal.raise_signal(signal.SIGTERM)
loop.run_once()
loop.close()
print("closed", flush=True)
signal.raise_signal(signal.SIGTERM)
print("not reached")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout.split(), done.returncode) == (["told", "closed"], -signal.SIGTERM)
    assert done.stderr == ""


def test_what_c_code_had_set_is_put_back(tmp_path: object) -> None:
    # faulthandler's handler is not Python's: only the system knows of it.
    program = """
import faulthandler, signal, tether
faulthandler.register(signal.SIGUSR1)
loop = tether.Loop()
loop.scope.on_signal(signal.SIGUSR1, lambda: None).cancel()
signal.raise_signal(signal.SIGUSR1)
loop.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert "most recent call first" in done.stderr


@pytest.mark.parametrize("first", ["asyncio", "scope"])
@pytest.mark.parametrize("last", ["asyncio", "scope"])
def test_beside_asyncios_handler(loop: tether.Loop, first: str, last: str) -> None:
    told: list[str] = []

    def set_asyncio() -> None:
        loop.add_signal_handler(NUMBER, told.append, "asyncio")

    def both() -> list[str]:
        told.clear()
        signal.raise_signal(NUMBER)
        for _ in range(3):
            loop.run_once(block=False)
        return sorted(told)

    if first == "asyncio":
        set_asyncio()
    watched = loop.scope.on_signal(NUMBER, told.append, "scope")
    if first == "scope":
        set_asyncio()
    assert both() == ["asyncio", "scope"]
    if last == "scope":
        assert loop.remove_signal_handler(NUMBER)
        assert both() == ["scope"]
        assert watched.count == 2
        watched.cancel()
    else:
        watched.cancel()
        assert both() == ["asyncio"]
        assert loop.remove_signal_handler(NUMBER)
    assert signal.getsignal(NUMBER) is signal.SIG_DFL


def test_who_sets_a_handler_later_is_in_charge(loop: tether.Loop) -> None:
    told: list[str] = []
    watched = loop.scope.on_signal(NUMBER, told.append, "scope")
    ours = signal.signal(NUMBER, lambda number, frame: told.append("python"))
    signal.raise_signal(NUMBER)
    loop.run_once(block=False)
    assert told == ["python"]
    # Who puts back what was there puts the scope's back.
    signal.signal(NUMBER, ours)
    signal.raise_signal(NUMBER)
    loop.run_once(block=False)
    assert told == ["python", "scope"]
    signal.signal(NUMBER, signal.SIG_IGN)
    watched.cancel()
    assert signal.getsignal(NUMBER) is signal.SIG_IGN  # not ours to put back
    signal.signal(NUMBER, signal.SIG_DFL)


def test_each_of_several_loops_hears_of_it(loop: tether.Loop) -> None:
    another = tether.Loop()
    told: list[str] = []
    loop.scope.on_signal(NUMBER, told.append, "first loop")
    another.scope.on_signal(NUMBER, told.append, "second loop")
    signal.raise_signal(NUMBER)
    loop.run_once()
    another.run_once()
    assert told == ["first loop", "second loop"]
    another.close()
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert told == ["first loop", "second loop", "first loop"]


def test_more_loops_than_are_provided_for_is_an_error() -> None:
    loops = [tether.Loop() for _ in range(33)]
    for loop in loops[:32]:
        loop.scope.on_signal(NUMBER, lambda: None)
    with pytest.raises(RuntimeError, match="32 loops"):
        loops[32].scope.on_signal(NUMBER, lambda: None)
    loops[0].scope.close()
    loops[32].scope.on_signal(NUMBER, lambda: None)
    for loop in loops:
        loop.close()
    assert signal.getsignal(NUMBER) is signal.SIG_DFL


def test_only_the_main_thread_may(loop: tether.Loop) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        own = tether.Loop()
        try:
            own.scope.on_signal(NUMBER, print)
        except RuntimeError as error:
            errors.append(error)
        own.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [str(error) for error in errors] == ["signals are watched from the main thread only"]


@pytest.mark.parametrize("number", [0, -1, 1000, signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
def test_what_cannot_be_watched_is_refused(loop: tether.Loop, number: int) -> None:
    with pytest.raises(ValueError, match=r"signal|caught|fault"):
        loop.scope.on_signal(number, print)
    assert len(loop.tree().splitlines()) == 1


def test_closing_the_owner_inside_the_callback(loop: tether.Loop) -> None:
    told: list[str] = []
    scope = tether.Scope(loop.scope)

    def close() -> None:
        told.append("first")
        scope.close()

    scope.on_signal(NUMBER, close)
    scope.on_signal(NUMBER, told.append, "second")
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert told == ["first"]
    assert signal.getsignal(NUMBER) is signal.SIG_DFL
    with pytest.raises(tether.Closed):
        scope.on_signal(NUMBER, print)


def test_a_failure_is_logged_and_the_others_are_called(loop: tether.Loop, reports: Reports) -> None:
    told: list[str] = []

    def fail() -> None:
        raise ValueError("planned")

    loop.scope.on_signal(NUMBER, fail)
    loop.scope.on_signal(NUMBER, told.append, "second")
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert told == ["second"]
    assert [str(error) for error in reports.take_errors()] == ["planned"]


def test_a_coroutine_function_is_spawned(loop: tether.Loop) -> None:
    done = asyncio.Event()

    async def told() -> None:
        await asyncio.sleep(0)
        done.set()

    loop.scope.on_signal(NUMBER, told)
    signal.raise_signal(NUMBER)
    loop.run_until_complete(done.wait())


def test_tree_shows_it(loop: tether.Loop) -> None:
    loop.scope.on_signal(NUMBER, print)
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert "  <on_signal SIGUSR1 print, 1 so far>" in loop.tree().splitlines()


def test_control_c_goes_to_the_scope_and_raises_nothing() -> None:
    program = """
import asyncio, signal, tether
async def main():
    got = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.scope.on_signal(signal.SIGINT, got.set)
    loop.call_soon(signal.raise_signal, signal.SIGINT)
    await got.wait()
    print("told")
tether.run(main())
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.stdout.split(), done.stderr) == (["told", "interrupted"], "")


def test_a_forked_child_has_what_was_there_before(loop: tether.Loop) -> None:
    told: list[str] = []
    loop.scope.on_signal(NUMBER, told.append, "parent")
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), NUMBER)  # the default action ends it
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == NUMBER
    assert loop.run_once(block=False) == 0
    assert told == []
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert told == ["parent"]


def test_no_descriptor_is_left_when_the_last_ends(loop: tether.Loop) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 the names, not the paths
    watches = [loop.scope.on_signal(NUMBER, print), loop.scope.on_signal(signal.SIGUSR2, print)]
    assert len(os.listdir("/proc/self/fd")) == before + 2  # noqa: PTH208
    for watch in watches:
        watch.cancel()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    # And it can begin anew.
    told: list[str] = []
    loop.scope.on_signal(NUMBER, told.append, "again")
    signal.raise_signal(NUMBER)
    loop.run_once()
    assert told == ["again"]
