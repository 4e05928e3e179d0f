"""KeyboardInterrupt and SystemExit leave the loop, which stays usable and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.plain_sockets import open_socket

INTERRUPTS = [KeyboardInterrupt, SystemExit]


def interrupt(kind: type[BaseException]) -> None:
    raise kind


@pytest.mark.parametrize("kind", INTERRUPTS)
@pytest.mark.parametrize("how", ["call_soon", "call_later", "scope timer", "add_reader"])
def test_the_loop_is_usable_after_one(kind: type[BaseException], how: str) -> None:
    loop = tether.Loop()
    left, right = socket.socketpair()
    try:
        order: list[str] = []
        left.send(b"x")
        begin: dict[str, Callable[[], object]] = {
            "call_soon": lambda: loop.call_soon(interrupt, kind),
            "call_later": lambda: loop.call_later(0.001, interrupt, kind),
            "scope timer": lambda: loop.scope.after(0.001, interrupt, kind),
            "add_reader": lambda: loop.add_reader(right, interrupt, kind),
        }
        begin[how]()
        if how == "call_soon":
            loop.call_soon(order.append, "behind it")
        with pytest.raises(kind):
            loop.run_forever()
        assert not loop.is_running()
        loop.remove_reader(right)
        loop.run_until_complete(asyncio.sleep(0))
        assert order == (["behind it"] if how == "call_soon" else [])
        loop.run_until_complete(asyncio.wait_for(asyncio.sleep(0.001), 1))
    finally:
        left.close()
        right.close()
        loop.close()


def run_through(loop: tether.Loop, work: Coroutine[Any, Any, None]) -> int:
    """Run `work` to its end however often the loop is interrupted; says how often it was."""
    task = loop.create_task(work)
    interrupts = 0
    while True:
        try:
            loop.run_until_complete(task)
            return interrupts
        except (KeyboardInterrupt, SystemExit):
            interrupts += 1


async def close_root(loop: tether.Loop) -> None:
    await loop.shutdown_default_executor()
    loop.scope.close()
    await loop.scope.wait_closed()


@pytest.mark.parametrize("kind", INTERRUPTS)
@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_no_edge_is_lost_in_the_stream_that_raised(
    kind: type[BaseException], size: int, family: str, tmp_path: Path
) -> None:
    loop = tether.Loop()
    got = bytearray()
    raised = 0
    complete = asyncio.Event()

    def take(data: bytes) -> None:
        nonlocal raised
        got.extend(data)
        if len(got) == size:
            complete.set()
        if raised < 3:
            raised += 1
            raise kind

    async def main() -> None:
        address = "127.0.0.1:0" if family == "tcp" else f"unix:{tmp_path}/socket"
        accepted: asyncio.Future[tether.Stream] = loop.create_future()
        listener = tether.listen(address, accepted.set_result)
        sender = open_socket(listener.address)
        stream = await accepted
        stream.on_data(take)
        sending = loop.run_in_executor(None, sender.sendall, bytes(size))
        try:
            async with asyncio.timeout(5):
                await complete.wait()
                await sending
        finally:
            with contextlib.suppress(OSError):
                sender.shutdown(socket.SHUT_RDWR)  # a thread that still sends gives up
            sender.close()
            await asyncio.wait([sending])

    try:
        assert run_through(loop, main()) == raised
        assert got == bytes(size)
    finally:
        loop.run_until_complete(close_root(loop))
        loop.close()


def test_no_edge_is_lost_in_the_streams_behind_it() -> None:
    loop = tether.Loop()
    count = 20
    got: list[bytes] = []
    streams: list[tether.Stream] = []
    senders: list[socket.socket] = []
    all_accepted, complete = asyncio.Event(), asyncio.Event()

    def take(data: bytes) -> None:
        got.append(data)
        if len(got) == count:
            complete.set()
        if len(got) % 5 == 1:
            raise KeyboardInterrupt

    def accept(stream: tether.Stream) -> None:
        streams.append(stream)
        stream.on_data(take)
        if len(streams) == count:
            all_accepted.set()

    async def main() -> None:
        listener = tether.listen("127.0.0.1:0", accept)
        senders.extend(open_socket(listener.address) for _ in range(count))
        await all_accepted.wait()
        for number, sender in enumerate(senders):
            sender.send(b"%d" % number)
        async with asyncio.timeout(5):
            await complete.wait()

    try:
        assert run_through(loop, main()) == 4
        assert sorted(got) == sorted(b"%d" % number for number in range(count))
    finally:
        for sender in senders:
            sender.close()
        loop.run_until_complete(close_root(loop))
        loop.close()


@pytest.mark.parametrize("kind", INTERRUPTS)
def test_one_in_a_task_ends_the_run(kind: type[BaseException]) -> None:
    async def main() -> None:
        tether.Scope().spawn(fail())
        await asyncio.Event().wait()

    async def fail() -> None:
        raise kind

    with pytest.raises(kind):
        tether.run(main())


def test_control_c_cancels_main_and_raises_keyboard_interrupt() -> None:
    # In a process of its own: the runner installs its handler in the main thread only.
    program = """
import asyncio, signal, tether
async def main():
    tether.Scope().on_close(lambda cause: print("closed", flush=True))
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
try:
    tether.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.stdout.split() == ["cancelled", "closed", "interrupted"]
    assert done.stderr == ""


def test_an_exit_after_a_lost_connection_ends_the_program_with_its_status() -> None:
    program = """
import asyncio, socket, struct, sys, tether
async def main():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stream = await tether.connect("127.0.0.1:%d" % listening.getsockname()[1])
        other, _ = listening.accept()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asyncio.get_running_loop().call_soon(other.close)
    try:
        await stream.read()
    except tether.NetworkError:
        sys.exit(7)
tether.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
