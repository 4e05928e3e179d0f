"""Child processes: their pipes, their end, their signals, and who ends them when the loop does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import warnings
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.aio.both_loops import LoopFactory, on_both, run
from tests.watch import Reports


def is_there(pid: int) -> bool:
    """Whether the process exists, as a zombie too."""
    return Path(f"/proc/{pid}").exists()


@on_both
def test_what_goes_in_comes_out(factory: LoopFactory) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        payload = os.urandom(1_000_000)
        assert list(await child.communicate(payload)) == [*(payload, None)]
        assert child.returncode == 0
        assert not is_there(child.pid)

    run(factory, main())


@on_both
def test_a_shell_and_its_status(factory: LoopFactory) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_shell(
            "echo out; echo err >&2; exit 3", stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        assert list(await child.communicate()) == [*(b"out\n", b"err\n")]
        assert child.returncode == 3
        together = await asyncio.create_subprocess_shell(
            "echo out; echo err >&2", stdout=PIPE, stderr=STDOUT
        )
        assert list(await together.communicate()) == [*(b"out\nerr\n", None)]

    run(factory, main())


@on_both
@pytest.mark.parametrize("how", ["kill", "terminate", "send_signal"])
def test_signals(factory: LoopFactory, how: str) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("sleep", "1000")
        if how == "send_signal":
            child.send_signal(signal.SIGHUP)
        else:
            getattr(child, how)()
        expected = {"kill": 9, "terminate": 15, "send_signal": 1}[how]
        assert await child.wait() == -expected
        with pytest.raises(ProcessLookupError):
            child.kill()

    run(factory, main())


async def ended_unseen(*, takes_status: bool = False, **how: Any) -> Any:
    """A child that has just ended, which the loop had no time to see."""
    child = await asyncio.create_subprocess_exec("sleep", "1000", **how)
    os.kill(child.pid, signal.SIGTERM)
    wait_for_end(child.pid, takes_status)
    return child


def wait_for_end(pid: int, takes_status: bool) -> int:
    how = os.WEXITED | (0 if takes_status else os.WNOWAIT)
    ended = os.waitid(os.P_PID, pid, how)
    assert ended is not None
    return int(ended.si_status)


def test_a_signal_to_one_that_has_ended_goes_nowhere() -> None:
    async def main() -> None:
        child = await ended_unseen(stdin=PIPE)
        child.kill()
        child.send_signal(signal.SIGUSR1)
        assert await child.wait() == -15

    tether.run(main())


def test_a_signal_never_reaches_another_process_of_that_number(reports: Reports) -> None:
    # Somebody else took the status, so the number is free; it must not be used any more.
    async def main() -> None:
        child = await ended_unseen(takes_status=True)
        child.kill()
        assert await child.wait() == 255

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "kill", kill := Kill(os.kill))
        tether.run(main())
    assert kill.sent == [signal.SIGTERM]
    assert "already read" in reports.take()[0]


class Kill:
    """`os.kill`, which notes what it sent."""

    def __init__(self, kill: Any) -> None:
        self.kill = kill
        self.sent: list[int] = []

    def __call__(self, pid: int, number: int) -> None:
        self.sent.append(number)
        self.kill(pid, number)


def test_one_that_ended_before_anybody_looked() -> None:
    async def main() -> None:
        child = await ended_unseen()
        assert await child.wait() == -15
        assert await child.wait() == -15

    tether.run(main())


def test_one_whose_status_somebody_else_took(reports: Reports) -> None:
    async def main() -> None:
        child = await ended_unseen(takes_status=True)
        assert await child.wait() == 255  # as asyncio says it

    tether.run(main())
    [message] = reports.take()
    assert "already read" in message


def test_one_whose_popen_was_polled() -> None:
    async def main() -> None:
        child = await ended_unseen()
        popen = child._transport.get_extra_info("subprocess")
        assert isinstance(popen, subprocess.Popen)
        assert popen.wait() == -15
        assert await child.wait() == -15

    tether.run(main())


@on_both
def test_many_at_once(factory: LoopFactory) -> None:
    async def one(number: int) -> int:
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", f"cat; exit {number}", stdin=PIPE, stdout=PIPE
        )
        assert list(await child.communicate(b"%d" % number)) == [*(b"%d" % number, None)]
        assert child.returncode is not None
        return child.returncode

    async def main() -> None:
        assert await asyncio.gather(*map(one, range(50))) == list(range(50))

    run(factory, main())


def test_in_a_loop_of_another_thread() -> None:
    async def main() -> int | None:
        child = await asyncio.create_subprocess_shell("exit 5")
        await child.wait()
        return child.returncode

    status: list[int | None] = []
    thread = threading.Thread(target=lambda: status.append(tether.run(main())))
    thread.start()
    thread.join()
    assert status == [5]


@on_both
def test_a_program_that_is_not_there(factory: LoopFactory) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/no/such/program", stdin=PIPE, stdout=PIPE)

    run(factory, main())


@on_both
def test_one_that_is_started_and_cancelled(factory: LoopFactory) -> None:
    async def main() -> None:
        before = children()
        task = asyncio.create_task(asyncio.create_subprocess_exec("sleep", "1000", stdin=PIPE))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert children() == before

    run(factory, main())


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.parametrize("ends", ["close", "abort"])
def test_it_is_killed_when_the_root_scope_ends(ends: str) -> None:
    async def main() -> None:
        scope = asyncio.get_running_loop().scope  # type: ignore[attr-defined]
        child = await asyncio.create_subprocess_exec("sleep", "1000", stdin=PIPE, stdout=PIPE)
        assert f"child {child.pid} open" in scope.tree()
        getattr(scope, ends)()
        assert await child.wait() == -9
        await scope.wait_closed()
        assert not is_there(child.pid)

    with asyncio.Runner(loop_factory=tether.Loop) as runner:
        runner.run(main())


def test_it_is_killed_when_the_loop_closes() -> None:
    loop = tether.Loop()
    child = loop.run_until_complete(
        asyncio.wait_for(start_sleeping(), 10),
    )
    with pytest.warns(ResourceWarning, match=f"child {child.pid}"):
        loop.close()
    assert not is_there(child.pid)
    assert child._transport.is_closing()


def test_a_forked_process_leaves_it_alone() -> None:
    async def main() -> None:
        child = await start_sleeping()
        forked = os.fork()
        if forked == 0:
            try:
                warnings.simplefilter("ignore")
                asyncio.events._set_running_loop(None)
                loop.close()
            finally:
                os._exit(0)
        assert wait_for_end(forked, True) == 0
        assert child.returncode is None
        os.kill(child.pid, 0)
        child.kill()
        assert await child.wait() == -9

    loop = tether.Loop()
    loop.run_until_complete(main())
    loop.close()


async def start_sleeping() -> Any:
    return await asyncio.create_subprocess_exec("sleep", "1000", stdin=PIPE, stdout=PIPE)


def test_the_transport_kills_when_it_is_closed() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "1000")
        pid = transport.get_pid()
        assert transport.get_returncode() is None
        transport.close()
        transport.close()
        while transport.get_returncode() is None:
            await asyncio.sleep(0)
        assert transport.get_returncode() == -9
        assert not is_there(pid)

    tether.run(main())


@on_both
def test_what_the_protocol_is_told_and_in_which_order(factory: LoopFactory) -> None:
    class Noting(asyncio.SubprocessProtocol):
        def __init__(self) -> None:
            self.told: list[str] = []
            self.over = asyncio.get_running_loop().create_future()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.told.append("made")

        def pipe_data_received(self, fd: int, data: bytes) -> None:
            self.told.append(f"{fd} {data.decode()}")

        def pipe_connection_lost(self, fd: int, error: Exception | None) -> None:
            self.told.append(f"{fd} lost")

        def process_exited(self) -> None:
            self.told.append("exited")

        def connection_lost(self, error: Exception | None) -> None:
            self.told.append("lost")
            self.over.set_result(error)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_shell(Noting, "echo a; echo b >&2")
        assert await protocol.over is None
        transport.close()
        assert protocol.told[0] == "made"
        assert protocol.told[-1] == "lost"
        assert sorted(protocol.told[1:-1]) == sorted(
            ["1 a\n", "2 b\n", "0 lost", "1 lost", "2 lost", "exited"]
        )
        assert protocol.told.index("1 a\n") < protocol.told.index("1 lost")

    run(factory, main())


def test_where_the_system_has_no_pidfd_the_standard_library_watches() -> None:
    program = """if True:
        import os
        del os.pidfd_open
        import asyncio, tether
        from tether.aio import child

        async def main():
            assert not child.SUPPORTED
            one = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            assert list(await one.communicate(b"hello")) == [*(b"hello", None)]
            return one.returncode

        print(tether.run(main()))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
