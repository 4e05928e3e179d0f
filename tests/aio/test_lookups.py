"""`loop.getaddrinfo` and `getnameinfo`: answers, deadlines, and threads that hold nobody."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

import tether
from tests.aio.both_loops import LoopFactory, on_both, passes, run
from tests.connect.namespace import run_in_namespace
from tether.stream import lookups


@on_both
def test_names_and_addresses(factory: LoopFactory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert found == socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert await loop.getaddrinfo("127.0.0.1", "http", flags=socket.AI_NUMERICHOST)
        name = await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)
        assert name == ("127.0.0.1", "http")
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("no such name", 80)
        with pytest.raises(socket.gaierror):
            await loop.getnameinfo(("localhost", 80), 0)

    run(factory, main())


def test_debug_mode_asks_like_asyncio() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        assert await loop.getaddrinfo("localhost", 80)

    tether.run(main())


def test_a_thousand_at_once_take_few_threads() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        most = 0

        async def one() -> None:
            nonlocal most
            assert await loop.getaddrinfo("localhost", 80)
            most = max(most, threading.active_count())

        before = threading.active_count()
        await asyncio.gather(*(one() for _ in range(1000)))
        assert most <= before + lookups.MOST_THREADS
        assert loop._default_executor is None  # type: ignore[attr-defined]

    tether.run(main())


def test_one_that_is_given_up_keeps_its_thread_and_not_its_place() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        go_on = threading.Event()
        stuck = [
            asyncio.create_task(lookups.look_up(go_on.wait, timeout=None))
            for _ in range(lookups.MOST_THREADS)
        ]
        behind = asyncio.create_task(loop.getaddrinfo("localhost", 80))
        gone = asyncio.create_task(loop.getaddrinfo("localhost", 80))
        await passes()
        assert not behind.done()
        gone.cancel()
        stuck.pop().cancel()
        assert await behind
        with pytest.raises(TimeoutError):
            await lookups.look_up(go_on.wait, timeout=0.01)
        go_on.set()
        assert await asyncio.gather(*stuck) == [True] * len(stuck)
        with pytest.raises(asyncio.CancelledError):
            await gone

    tether.run(main())


def test_an_answer_for_a_loop_that_has_closed_is_dropped() -> None:
    go_on, over = threading.Event(), threading.Event()

    def look() -> None:
        go_on.wait()
        over.set()

    async def main() -> None:
        asyncio.create_task(lookups.look_up(look, timeout=None)).add_done_callback(lambda _: None)
        await passes()

    tether.run(main())
    go_on.set()
    assert over.wait(10)
    for thread in threading.enumerate():
        if thread.name == "tether lookup":
            thread.join(10)
            assert not thread.is_alive()


def test_a_silent_name_server_holds_neither_the_deadline_nor_the_exit(tmp_path: Path) -> None:
    program = """
        import asyncio, socket, time, tether

        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        silent.bind(("127.0.0.53", 53))

        async def main():
            loop = asyncio.get_running_loop()
            for ask in (
                lambda: loop.getaddrinfo("nobody.example", 80),
                lambda: loop.create_connection(asyncio.Protocol, "nobody.example", 80),
                lambda: asyncio.open_connection("nobody.example", 80),
                lambda: loop.getnameinfo(("192.0.2.1", 80), socket.NI_NAMEREQD),
            ):
                started = time.monotonic()
                try:
                    await ask()
                except tether.ResolveTimeout as error:
                    assert isinstance(error, TimeoutError) and isinstance(error, OSError)
                    assert 0.3 <= time.monotonic() - started < 1.3
                    print(error.phase, error.peer)

        started = time.monotonic()
        with asyncio.Runner(loop_factory=lambda: tether.Loop(resolve_timeout=0.3)) as runner:
            runner.run(main())
        print(time.monotonic() - started < 4)
        silent.close()
    """
    printed = run_in_namespace(
        program, tmp_path, resolv="nameserver 127.0.0.53\noptions timeout:30 attempts:3\n"
    )
    assert printed.splitlines() == [
        "resolve nobody.example",
        "resolve nobody.example",
        "resolve nobody.example",
        "resolve ('192.0.2.1', 80)",
        "True",
    ]


def test_no_deadline_where_it_is_switched_off() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert loop.resolve_timeout is None  # type: ignore[attr-defined]
        assert await loop.getaddrinfo("localhost", 80)

    with asyncio.Runner(loop_factory=lambda: tether.Loop(resolve_timeout=None)) as runner:
        runner.run(main())
