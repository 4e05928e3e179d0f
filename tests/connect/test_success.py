"""A connect that succeeds: whose stream it is, and how it may be awaited."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import tether


async def echo(stream: tether.Stream) -> None:
    while data := await stream.read():
        await stream.send(data)


@pytest.mark.parametrize("kind", ["v4", "v6", "unix"])
def test_every_kind_of_address(kind: str, tmp_path: Path) -> None:
    address = {"v4": "127.0.0.1:0", "v6": "[::1]:0", "unix": f"unix:{tmp_path}/socket"}[kind]

    async def main() -> None:
        async with tether.listen(address, echo) as listener:
            stream = await tether.connect(listener.address)
            assert stream.peer == listener.address
            await stream.send(b"hello")
            assert await stream.readexactly(5) == b"hello"
            stream.close()
            await stream.wait_closed()

    tether.run(main())


def test_a_name_is_resolved() -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", echo) as listener:
            port = listener.address.rpartition(":")[2]
            stream = await tether.connect(f"localhost:{port}")
            assert stream.peer == listener.address
            stream.close()
            await stream.wait_closed()

    tether.run(main())


def test_the_owner_is_the_one_that_is_given_or_the_root() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        scope = tether.Scope(name="owner")
        async with tether.listen("127.0.0.1:0", lambda stream: None) as listener:
            mine = await tether.connect(listener.address, owner=scope)
            loose = await tether.connect(listener.address)
            assert len(scope.tree().splitlines()) == 2
            scope.close()
            await scope.wait_closed()
            assert (mine.state, loose.state) == ("closed", "open")
            loose.close()
            await loose.wait_closed()

    tether.run(main())


def test_the_default_owner_is_the_scope_whose_handler_runs() -> None:
    async def main() -> None:
        inner: asyncio.Future[tether.Stream] = asyncio.get_running_loop().create_future()

        async def relay(stream: tether.Stream) -> None:
            inner.set_result(await tether.connect(backend.address))
            await stream.read()

        async with (
            tether.listen("127.0.0.1:0", lambda stream: None) as backend,
            tether.listen("127.0.0.1:0", relay) as listener,
        ):
            client = await tether.connect(listener.address)
            upstream = await inner
            client.close()
            await asyncio.wait_for(upstream.wait_closed(), 5)
            assert upstream.error is None

    tether.run(main())


def test_many_connects_at_once() -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", echo) as listener:
            streams = await asyncio.gather(*(tether.connect(listener.address) for _ in range(200)))
            for number, stream in enumerate(streams):
                stream.send(b"%03d" % number)
            for number, stream in enumerate(streams):
                assert await stream.readexactly(3) == b"%03d" % number
                stream.close()

    tether.run(main())


@pytest.mark.parametrize("way", ["wait_for", "timeout", "gather", "shield", "create_task"])
def test_a_connect_may_be_awaited_any_way(way: str) -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", echo) as listener:
            connecting = tether.connect(listener.address)
            if way == "wait_for":
                stream = await asyncio.wait_for(connecting, 5)
            elif way == "timeout":
                async with asyncio.timeout(5):
                    stream = await connecting
            elif way == "gather":
                (stream,) = await asyncio.gather(connecting)
            elif way == "shield":
                stream = await asyncio.shield(connecting)
            else:
                stream = await asyncio.create_task(connecting)
            stream.send(b"hello")
            assert await stream.readexactly(5) == b"hello"

    tether.run(main())


def test_without_a_deadline_it_waits() -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", echo) as listener:
            stream = await tether.connect(listener.address, timeout=None)
            stream.close()

    tether.run(main())
