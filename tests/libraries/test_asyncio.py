"""The standard library's own tools on the loop: runners, task groups, timeouts, eager tasks."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator

import pytest

from tests.libraries.conftest import LOOPS, Run


@pytest.fixture(params=list(LOOPS))
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=LOOPS[request.param])


class TestRunner:
    def test_runs_one_after_the_other_share_loop_and_context(self, runner: asyncio.Runner) -> None:
        name = contextvars.ContextVar("name", default="")
        kept = asyncio.Event()

        async def first() -> asyncio.AbstractEventLoop:
            name.set("first")
            asyncio.get_running_loop().call_later(0.01, kept.set)
            return asyncio.get_running_loop()

        async def second() -> tuple[str, asyncio.AbstractEventLoop]:
            await kept.wait()
            return name.get(), asyncio.get_running_loop()

        with runner:
            loop = runner.run(first())
            assert runner.run(second()) == ("first", loop)
        assert loop.is_closed()

    def test_what_is_left_is_cancelled_and_closed(self, runner: asyncio.Runner) -> None:
        ended: list[str] = []

        async def task() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("task")

        async def numbers() -> AsyncIterator[int]:
            try:
                for number in range(9):
                    yield number
            finally:
                await asyncio.sleep(0)
                ended.append("generator")

        async def main() -> None:
            left.append(asyncio.create_task(task()))
            generator = numbers()
            generators.append(generator)
            assert await anext(generator) == 0
            ended.append(await asyncio.to_thread(lambda: "thread"))

        left: list[asyncio.Task[None]] = []
        generators: list[AsyncIterator[int]] = []
        with runner:
            runner.run(main())
        assert ended == ["thread", "task", "generator"]
        assert left[0].cancelled()

    def test_an_interrupt_cancels_the_main_task(self, runner: asyncio.Runner) -> None:
        seen: list[str] = []

        async def main() -> None:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        with runner, pytest.raises(KeyboardInterrupt):
            runner.run(main())
        assert seen == ["cancelled"]


def test_a_task_group_ends_with_its_first_failure(run: Run) -> None:
    async def main() -> None:
        cancelled = 0

        async def wait() -> None:
            nonlocal cancelled
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled += 1
                raise

        async def fail() -> None:
            await asyncio.sleep(0)
            raise ValueError("the first")

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(100):
                    tasks.create_task(wait())
                tasks.create_task(fail())
        assert [str(error) for error in caught.value.exceptions] == ["the first"]
        assert cancelled == 100

    run(main())


def test_timeouts(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                async with asyncio.timeout(0.01) as inner:
                    await asyncio.sleep(30)
        assert inner.expired()
        async with asyncio.timeout(0) as moved:
            moved.reschedule(loop.time() + 60)
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout_at(loop.time() - 1):
                await asyncio.sleep(30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        shielded = asyncio.create_task(asyncio.sleep(0.03, "result"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(shielded), 0.001)
        assert await shielded == "result"

    run(main())


def test_locks_queues_and_barriers(run: Run) -> None:
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=3)
        semaphore, barrier = asyncio.Semaphore(2), asyncio.Barrier(5)
        got: list[int] = []
        busy = most = 0

        async def produce() -> None:
            for number in range(100):
                await queue.put(number)

        async def consume() -> None:
            nonlocal busy, most
            await barrier.wait()
            while True:
                number = await queue.get()
                async with semaphore:
                    busy += 1
                    most = max(most, busy)
                    await asyncio.sleep(0)
                    got.append(number)
                    busy -= 1
                queue.task_done()

        async with asyncio.TaskGroup() as tasks:
            consumers = [tasks.create_task(consume()) for _ in range(5)]
            await tasks.create_task(produce())
            await queue.join()
            for task in consumers:
                task.cancel()
        assert sorted(got) == list(range(100))
        assert most == 2

    run(main())


def test_other_threads(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def double(number: int) -> int:
            await asyncio.sleep(0)
            return 2 * number

        def ask(number: int) -> int:
            return asyncio.run_coroutine_threadsafe(double(number), loop).result(10)

        numbers = await asyncio.gather(*(asyncio.to_thread(ask, n) for n in range(100)))
        assert numbers == [2 * number for number in range(100)]

        seen: list[int] = []
        complete = asyncio.Event()

        def note(number: int) -> None:
            seen.append(number)
            if len(seen) == 4000:
                complete.set()

        def call(start: int) -> None:
            for number in range(start, start + 1000):
                loop.call_soon_threadsafe(note, number)

        threads = [threading.Thread(target=call, args=(start,)) for start in range(0, 4000, 1000)]
        for thread in threads:
            thread.start()
        await complete.wait()
        for thread in threads:
            thread.join()
        assert sorted(seen) == list(range(4000))
        for start in range(0, 4000, 1000):  # each thread's calls keep their order
            own = [number for number in seen if start <= number < start + 1000]
            assert own == list(range(start, start + 1000))

    run(main())


if sys.version_info >= (3, 12):

    def test_eager_tasks(run: Run) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_task_factory(asyncio.eager_task_factory)
            steps: list[str] = []

            async def work(name: str, pause: bool) -> str:
                assert asyncio.current_task() is not None
                steps.append(f"{name} begins")
                if pause:
                    await asyncio.sleep(0)
                    steps.append(f"{name} goes on")
                return name

            quick = asyncio.create_task(work("quick", pause=False))
            assert quick.done()
            slow = asyncio.create_task(work("slow", pause=True))
            assert not slow.done()
            steps.append("main")
            assert await slow == "slow"
            assert steps == ["quick begins", "slow begins", "main", "slow goes on"]

            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(work(str(n), pause=n % 2 == 0)) for n in range(100)]
            assert [task.result() for task in running] == [str(n) for n in range(100)]
            assert await asyncio.gather(*(work(str(n), pause=True) for n in range(9))) == [
                str(number) for number in range(9)
            ]

        run(main())

    def test_connections_of_eager_tasks(run: Run) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

            async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while line := await reader.readline():
                    writer.write(line.upper())
                    await writer.drain()
                writer.close()
                await writer.wait_closed()

            async def ask(number: int) -> bytes:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"line %d\n" % number)
                answer = await reader.readline()
                writer.close()
                await writer.wait_closed()
                return answer

            server = await asyncio.start_server(upper, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            answers = await asyncio.gather(*map(ask, range(50)))
            assert answers == [b"LINE %d\n" % number for number in range(50)]
            server.close()
            await server.wait_closed()

        run(main())
