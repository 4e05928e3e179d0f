"""Signals, executors, subprocesses and descriptors, as asyncio has them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading

import pytest

import tether


def test_a_signal_handler_runs_on_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: asyncio.Queue[str] = asyncio.Queue()
        loop.add_signal_handler(signal.SIGUSR1, seen.put_nowait, "usr1")
        for _ in range(20):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert await asyncio.wait_for(seen.get(), 5) == "usr1"
        assert loop.remove_signal_handler(signal.SIGUSR1)
        assert not loop.remove_signal_handler(signal.SIGUSR1)

    tether.run(main())


def test_a_signal_wakes_a_sleeping_loop_and_may_stop_a_scope() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        scope = tether.Scope()
        loop.add_signal_handler(signal.SIGUSR2, scope.close)
        killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR2))
        killer.start()
        async with asyncio.timeout(5):
            await scope.wait_closed()
        killer.join()
        loop.remove_signal_handler(signal.SIGUSR2)

    tether.run(main())


def test_a_python_signal_handler_runs_while_the_loop_sleeps() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen = asyncio.Event()
        previous = signal.signal(
            signal.SIGUSR1, lambda number, frame: loop.call_soon_threadsafe(seen.set)
        )
        killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        killer.start()
        async with asyncio.timeout(5):
            await seen.wait()
        killer.join()
        signal.signal(signal.SIGUSR1, previous)

    tether.run(main())


def test_an_executor_returns_results_and_failures() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, sum, [1, 2, 3]) == 6
        assert await tether.to_thread(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await tether.to_thread(divmod, 7, 0)
        results = await asyncio.gather(*(tether.to_thread(pow, 2, n) for n in range(50)))
        assert results == [2**n for n in range(50)]

    tether.run(main())


def test_a_subprocess_runs_and_its_output_is_read() -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; data = sys.stdin.read(); print(data[::-1]); sys.exit(3)",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(b"hello")
        assert (output, process.returncode) == (b"olleh\n", 3)

    tether.run(main())


def test_a_subprocess_can_be_killed() -> None:
    async def main() -> int:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        process.kill()
        return await process.wait()

    assert tether.run(main()) == -signal.SIGKILL


def test_readers_and_writers_of_a_descriptor() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        left.setblocking(False)
        right.setblocking(False)
        got: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(right, lambda: got.put_nowait(right.recv(100)))
        for number in range(20):
            left.send(b"%d" % number)
            assert await got.get() == b"%d" % number
        writable = asyncio.Event()
        loop.add_writer(left.fileno(), writable.set)
        await writable.wait()
        assert loop.remove_writer(left)
        assert not loop.remove_writer(left)
        replaced: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(right, lambda: replaced.put_nowait(right.recv(100)))
        left.send(b"to the second reader")
        assert await replaced.get() == b"to the second reader"
        assert got.empty()
        assert loop.remove_reader(right)
        assert not loop.remove_reader(right)
        left.close()
        right.close()

    tether.run(main())


def test_a_reader_is_level_triggered() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        got: list[bytes] = []
        done = asyncio.Event()

        def read_one() -> None:
            got.append(right.recv(1))
            if len(got) == 5:
                done.set()

        loop.add_reader(right, read_one)
        left.send(b"12345")
        await done.wait()
        assert got == [b"1", b"2", b"3", b"4", b"5"]
        loop.remove_reader(right)
        left.close()
        right.close()

    tether.run(main())


def test_a_removed_reader_does_not_run_even_when_its_event_was_polled() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(2)]
        ran: list[int] = []

        def read(number: int) -> None:
            ran.append(number)
            for _, other in pairs:
                loop.remove_reader(other)

        for number, (left, right) in enumerate(pairs):
            loop.add_reader(right, read, number)
            left.send(b"x")
        await asyncio.sleep(0.01)
        assert len(ran) == 1
        for pair in pairs:
            for one in pair:
                one.close()

    tether.run(main())


@pytest.mark.parametrize("bad", [-1, "text", object()])
def test_what_is_no_descriptor_is_refused(bad: object) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="Invalid file"):
            loop.add_reader(bad, print)  # type: ignore[arg-type]

    tether.run(main())


def test_a_descriptor_number_that_comes_again_is_another_one() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        got: list[str] = []
        for number in range(50):
            left, right = socket.socketpair()
            loop.add_reader(right, got.append, f"round {number}")
            left.send(b"x")
            await asyncio.sleep(0)
            loop.remove_reader(right)
            left.close()
            right.close()
        again, quiet = socket.socketpair()
        loop.add_reader(quiet, got.append, "nobody wrote")
        await asyncio.sleep(0.01)
        assert "nobody wrote" not in got
        loop.remove_reader(quiet)
        again.close()
        quiet.close()

    tether.run(main())
