"""Subprocesses as asyncio's users start them: pipes, signals, shells, many at once."""

from __future__ import annotations

import asyncio
import asyncio.subprocess
import os
import signal
import sys

import pytest

from tests.libraries.conftest import Run

PIPE = asyncio.subprocess.PIPE
PAYLOAD = bytes(range(256)) * 8000


async def python(
    program: str, *, stdin: int | None = None, stdout: int | None = None, stderr: int | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=stdin, stdout=stdout, stderr=stderr
    )


def test_megabytes_through_pipes(run: Run) -> None:
    async def main() -> None:
        copy = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
        process = await python(copy, stdin=PIPE, stdout=PIPE)
        output, _ = await process.communicate(PAYLOAD)
        assert (output, process.returncode) == (PAYLOAD, 0)

    run(main())


def test_a_dialogue(run: Run) -> None:
    async def main() -> None:
        program = (
            "import sys\n"
            "for line in sys.stdin:\n"
            "    print(int(line) ** 2, flush=True)\n"
            "print('no more', file=sys.stderr)\n"
            "sys.exit(7)\n"
        )
        process = await python(program, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for number in range(50):
            process.stdin.write(b"%d\n" % number)
            await process.stdin.drain()
            assert await process.stdout.readline() == b"%d\n" % number**2
        process.stdin.close()
        await process.stdin.wait_closed()
        assert await process.stderr.read() == b"no more\n"
        assert await process.wait() == 7

    run(main())


def test_a_program_that_writes_without_end_is_held_back(run: Run) -> None:
    async def main() -> None:
        process = await python("while True: print('x' * 9999)", stdout=PIPE)
        assert process.stdout is not None
        for _ in range(100):
            assert len(await process.stdout.readline()) == 10_000
        process.kill()
        while len(await process.stdout.read(65536)):
            pass
        assert await process.wait() == -signal.SIGKILL

    run(main())


def test_a_program_that_does_not_read(run: Run) -> None:
    async def main() -> None:
        process = await python("import time; time.sleep(60)", stdin=PIPE)
        assert process.stdin is not None
        process.stdin.write(PAYLOAD)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await process.stdin.drain()
        process.terminate()
        with pytest.raises(ConnectionError):
            await process.stdin.drain()
        assert await process.wait() == -signal.SIGTERM

    run(main())


def test_a_shell(run: Run) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_shell(
            "echo out; echo err >&2; exit 3", stdout=PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert (output, process.returncode) == (b"out\nerr\n", 3)

    run(main())


def test_many_at_once(run: Run) -> None:
    async def main() -> None:
        async def ask(number: int) -> bytes:
            process = await asyncio.create_subprocess_exec("echo", str(number), stdout=PIPE)
            output, _ = await process.communicate()
            return output

        outputs = await asyncio.gather(*map(ask, range(30)))
        assert outputs == [b"%d\n" % number for number in range(30)]

    run(main())


def test_waiting_is_cancelled_and_taken_up_again(run: Run) -> None:
    async def main() -> None:
        process = await python("import sys; sys.stdin.read(); sys.exit(4)", stdin=PIPE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await process.wait()
        assert process.stdin is not None
        process.stdin.close()
        waiting = [asyncio.create_task(process.wait()) for _ in range(3)]
        assert await asyncio.gather(*waiting) == [4, 4, 4]

    run(main())


def test_a_program_that_is_not_there(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("no-such-program", stdin=PIPE, stdout=PIPE)

    run(main())


def test_descriptors_are_passed_on(run: Run) -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", f"import os; os.write({writing}, b'passed')", pass_fds=[writing]
        )
        os.close(writing)
        assert await process.wait() == 0
        with os.fdopen(reading, "rb") as file:
            assert file.read() == b"passed"

    run(main())
