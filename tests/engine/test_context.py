"""Each scope's callbacks run in one context of its own, which no other scope sees."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import tether

user: ContextVar[str] = ContextVar("user", default="nobody")


def test_what_one_scope_sets_no_other_sees() -> None:
    async def main() -> None:
        first, second = tether.Scope(), tether.Scope()
        seen: list[tuple[str, str]] = []
        done = asyncio.Event()

        def log_in(name: str) -> None:
            user.set(name)

        def look(name: str) -> None:
            seen.append((name, user.get()))

        first.after(0, log_in, "ada")
        second.after(0.002, look, "second")
        first.after(0.004, look, "first")
        first.after(0.006, done.set)
        await done.wait()
        look("outside")
        assert seen == [("second", "nobody"), ("first", "ada"), ("outside", "nobody")]

    tether.run(main())


def test_tasks_start_from_their_scopes_context_and_keep_their_changes() -> None:
    async def main() -> None:
        scope = tether.Scope()
        seen: list[str] = []
        done = asyncio.Event()

        async def change() -> None:
            seen.append(user.get())
            user.set("task")

        def begin() -> None:
            user.set("ada")
            scope.spawn(change())
            scope.after(0.005, end)

        def end() -> None:
            seen.append(user.get())
            done.set()

        scope.after(0, begin)
        await done.wait()
        assert seen == ["ada", "ada"]

    tether.run(main())


def test_a_scope_starts_from_the_context_in_which_it_began() -> None:
    async def main() -> None:
        user.set("maker")
        scope = tether.Scope()
        user.set("later")
        seen: list[str] = []
        done = asyncio.Event()
        scope.after(0, lambda: seen.append(user.get()))
        scope.after(0.002, done.set)
        await done.wait()
        assert seen == ["maker"]

    tether.run(main())


def test_what_a_callback_opens_belongs_to_its_scope() -> None:
    async def main() -> None:
        scope = tether.Scope(name="board")
        streams: list[tether.Stream] = []
        connected = asyncio.Event()

        async def open_one(address: str) -> None:
            streams.append(await tether.connect(address))
            connected.set()

        async with tether.listen("127.0.0.1:0", lambda stream: None) as listener:
            scope.after(0, open_one, listener.address)
            await connected.wait()
            scope.close()
            await scope.wait_closed()
            assert streams[0].state == "closed"

    tether.run(main())


def test_the_root_does_not_take_its_context_from_whoever_uses_it_first() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        root = loop.scope
        seen: list[tuple[str, str]] = []
        done = asyncio.Event()

        async def look(name: str) -> None:
            seen.append((name, user.get()))

        def use_the_root() -> None:
            user.set("ada")
            root.spawn(look("task"))
            root.after(0, look, "timer")
            root.after(0.005, done.set)

        tether.Scope().after(0, use_the_root)
        await done.wait()
        assert sorted(seen) == [("task", "nobody"), ("timer", "nobody")]

    tether.run(main())
