"""anyio's asyncio backend on the loop: task groups, cancel scopes, sockets, threads, processes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketListener, TaskStatus
from anyio.lowlevel import checkpoint
from anyio.streams.tls import TLSListener, TLSStream

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import LOOPS
from tests.libraries.waiting import PATIENCE

PAYLOAD = bytes(range(256)) * 8000

RunAnyio = Callable[[Callable[[], Awaitable[object]]], None]


@pytest.fixture(params=list(LOOPS))
def run_anyio(request: pytest.FixtureRequest) -> RunAnyio:
    """Runs an asynchronous function as anyio's users do, on each loop."""

    async def watched(main: Callable[[], Awaitable[object]]) -> None:
        with anyio.fail_after(PATIENCE):
            await main()
        await anyio.wait_all_tasks_blocked()
        assert anyio.get_running_tasks() == [anyio.get_current_task()]

    def run_on_loop(main: Callable[[], Awaitable[object]]) -> None:
        anyio.run(watched, main, backend_options={"loop_factory": LOOPS[request.param]})
        for thread in threading.enumerate():
            if "AnyIO" in thread.name:  # they were told to end, and nobody waited for it
                thread.join(PATIENCE)

    return run_on_loop


def test_a_task_group_ends_with_its_first_failure(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        ended: list[int] = []

        async def wait(number: int) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                ended.append(number)

        async def fail() -> None:
            await checkpoint()
            raise ValueError("the first")

        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(wait, number)
                tasks.start_soon(fail)
        assert [str(error) for error in caught.value.exceptions] == ["the first"]
        assert sorted(ended) == list(range(100))

    run_anyio(main)


def test_cancel_scopes(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        done: list[str] = []
        with anyio.move_on_after(0.02) as outer:
            try:
                with anyio.move_on_after(10):
                    await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.001)
                    done.append("cleaned")
        assert outer.cancelled_caught
        with pytest.raises(TimeoutError), anyio.fail_after(0.01):
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            tasks.cancel_scope.cancel()
        assert done == ["cleaned"]

    run_anyio(main)


def test_tasks_that_tell_when_they_are_ready(run_anyio: RunAnyio) -> None:
    async def serve(*, task_status: TaskStatus[int]) -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener:
            task_status.started(listener.extra(SocketAttribute.local_port))
            await listener.serve(echo)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            port = await tasks.start(serve)

            async def talk() -> None:
                async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                    await send_and_receive(stream)

            async with anyio.create_task_group() as clients:
                for _ in range(20):
                    clients.start_soon(talk)
            tasks.cancel_scope.cancel()

    run_anyio(main)


async def echo(stream: Any) -> None:
    async with stream:
        async for data in stream:
            await stream.send(data)


async def send_and_receive(stream: Any) -> None:
    received = bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.send, PAYLOAD)
        while len(received) < len(PAYLOAD):
            received += await stream.receive()
    assert received == PAYLOAD


def test_tls(run_anyio: RunAnyio, certificates: Certificates) -> None:
    async def main() -> None:
        plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
        listener = TLSListener(plain, certificates.server)
        port = plain.extra(SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, echo)
            async with await anyio.connect_tcp(
                "localhost", port, tls=True, ssl_context=certificates.client
            ) as stream:
                assert isinstance(stream, TLSStream)
                await send_and_receive(stream)
            tasks.cancel_scope.cancel()

    run_anyio(main)


def test_unix_sockets_pass_descriptors(run_anyio: RunAnyio, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    note = tmp_path / "note"
    note.write_text("through a socket")

    async def main() -> None:
        received: list[str] = []
        ended = anyio.Event()

        async def take(stream: Any) -> None:
            async with stream:
                _, descriptors = await stream.receive_fds(10, 1)
                with os.fdopen(descriptors[0]) as file:
                    received.append(file.read())
                await echo(stream)
            ended.set()

        async with (
            await anyio.create_unix_listener(path) as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, take)
            async with await anyio.connect_unix(path) as stream:
                with note.open() as file:
                    await stream.send_fds(b"a note", [file])
                await send_and_receive(stream)
            await ended.wait()
            tasks.cancel_scope.cancel()
        assert received == ["through a socket"]

    run_anyio(main)


def test_datagrams(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        async with await anyio.create_udp_socket(local_host="127.0.0.1") as receiving:
            port = receiving.extra(SocketAttribute.local_port)
            async with await anyio.create_connected_udp_socket("127.0.0.1", port) as sending:
                for number in range(50):
                    await sending.send(str(number).encode())
                got = [(await receiving.receive())[0] for _ in range(50)]
        assert got == [str(number).encode() for number in range(50)]

    run_anyio(main)


def test_waiting_for_a_socket(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            await anyio.wait_writable(one)
            with pytest.raises(TimeoutError), anyio.fail_after(0.01):
                await anyio.wait_readable(one)

            async def wait() -> None:
                await anyio.wait_readable(one)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                other.send(b"x")

    run_anyio(main)


def test_who_waits_for_a_socket_is_told_of_its_closing(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(SocketAttribute.local_port)
        async with listener, await anyio.connect_tcp("127.0.0.1", port) as stream:
            (accepting,) = listener.listeners
            assert isinstance(accepting, SocketListener)
            accepted = await accepting.accept()

            async def receive() -> None:
                with pytest.raises(anyio.ClosedResourceError):
                    await stream.receive()

            async with accepted, anyio.create_task_group() as tasks:
                tasks.start_soon(receive)
                await anyio.wait_all_tasks_blocked()
                await stream.aclose()

    run_anyio(main)


def test_threads(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        async def double(number: int) -> int:
            await checkpoint()
            return 2 * number

        def work(number: int) -> int:
            return anyio.from_thread.run(double, number) + anyio.from_thread.run_sync(abs, -1)

        results: dict[int, int] = {}

        async def run_work(number: int) -> None:
            results[number] = await anyio.to_thread.run_sync(work, number)

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(run_work, number)
        assert results == {number: 2 * number + 1 for number in range(100)}

    run_anyio(main)


def test_processes(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        upper = "import sys; sys.stdout.write(sys.stdin.read().upper())"
        ended = await anyio.run_process([sys.executable, "-c", upper], input=b"x" * 300_000)
        assert ended.stdout == b"X" * 300_000
        async with await anyio.open_process([sys.executable, "-c", "input()"]) as process:
            with anyio.move_on_after(0.02):
                await process.wait()
            process.terminate()
            assert await process.wait() == -signal.SIGTERM

    run_anyio(main)


def test_signals(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        with anyio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as received:
            for number in (signal.SIGUSR1, signal.SIGUSR2):
                os.kill(os.getpid(), number)
                assert await anext(received) == number

    run_anyio(main)
