"""The worker thread of a blocking driver: a job that hangs delays its own bus and nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tether.hub.devices.driver import Worker
from tether.hub.devices.model import DeviceUnavailable


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test")
    yield worker
    worker.close()


class Hang:
    """Work that hangs until it is released; it says when it began."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.release = threading.Event()
        self.ended = asyncio.Event()

    def __call__(self) -> str:
        self.loop.call_soon_threadsafe(self.begun.set)
        released = self.release.wait(10)
        self.loop.call_soon_threadsafe(self.ended.set)
        return "late" if released else "never"


def test_results_failures_and_one_thread(worker: Worker) -> None:
    def fail() -> None:
        raise OSError(5, "no answer")

    def stop() -> None:
        raise SystemExit

    async def main() -> None:
        threads = await asyncio.gather(*(worker.run(threading.get_ident) for _ in range(5)))
        assert len(set(threads)) == 1
        assert threads[0] != threading.get_ident()
        with pytest.raises(OSError, match="no answer"):
            await worker.run(fail)
        # nothing a driver raises ends the thread or the process
        with pytest.raises(RuntimeError, match="the driver raised SystemExit"):
            await worker.run(stop)
        assert await worker.run(threading.get_ident) == threads[0]

    asyncio.run(main())


def test_a_hanging_job_delays_neither_the_loop_nor_another_worker(worker: Worker) -> None:
    async def main() -> None:
        other = Worker("other")
        hang = Hang()
        stuck = asyncio.create_task(worker.run(hang))
        await hang.begun.wait()
        assert await other.run(lambda: 7) == 7
        assert not stuck.done()
        hang.release.set()
        assert await stuck == "late"
        other.close()

    asyncio.run(main())


def test_while_an_abandoned_job_hangs_new_ones_are_refused(worker: Worker) -> None:
    async def main() -> None:
        hang = Hang()
        given_up = asyncio.create_task(worker.run(hang))
        await hang.begun.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        for _ in range(3):
            with pytest.raises(DeviceUnavailable, match="no answer for"):
                await worker.run(lambda: 1)
        hang.release.set()
        await hang.ended.wait()
        async with asyncio.timeout(5):
            while True:
                try:
                    assert await worker.run(lambda: 1) == 1
                    break
                except DeviceUnavailable:
                    await asyncio.sleep(0)

    asyncio.run(main())


def test_a_job_given_up_before_it_began_is_never_carried_out(worker: Worker) -> None:
    async def main() -> list[str]:
        done: list[str] = []
        hang = Hang()
        first = asyncio.create_task(worker.run(hang))
        await hang.begun.wait()
        given_up = asyncio.create_task(worker.run(lambda: done.append("given up")))
        kept = asyncio.create_task(worker.run(lambda: done.append("kept")))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        hang.release.set()
        await first
        await kept
        return done

    assert asyncio.run(main()) == ["kept"]


def test_a_closed_worker_refuses_and_ends_its_thread(worker: Worker) -> None:
    async def main() -> threading.Thread:
        thread = await worker.run(threading.current_thread)
        worker.close()
        worker.close()
        with pytest.raises(DeviceUnavailable, match="closed"):
            await worker.run(lambda: 1)
        return thread

    thread = asyncio.run(main())
    thread.join(5)
    assert not thread.is_alive()


def test_a_loop_that_is_gone_when_the_job_ends(worker: Worker) -> None:
    begun, release = threading.Event(), threading.Event()
    thread: list[threading.Thread] = []

    def job() -> None:
        thread.append(threading.current_thread())
        begun.set()
        release.wait(10)

    async def main() -> None:
        task = asyncio.create_task(worker.run(job))
        assert await asyncio.to_thread(begun.wait, 10)
        task.cancel()

    asyncio.run(main())
    release.set()
    worker.close()
    thread[0].join(5)
    assert not thread[0].is_alive()
    assert asyncio.run(Worker("next").run(lambda: 3)) == 3


HANGING = """
import asyncio, threading
from tether.hub.devices.driver import Worker

async def main():
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    def hang():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()
    task = asyncio.create_task(Worker("hung").run(hang))
    await begun.wait()
    task.cancel()

asyncio.run(main())
print("left")
"""


def test_a_job_that_hangs_for_ever_keeps_no_process_from_leaving() -> None:
    result = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=20, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "left\n", "")
