"""However a datagram endpoint ends, and in whichever callback, its protocol is told once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

import tether
from tests.aio.both_loops import Datagrams, LoopFactory, on_both, passes, run
from tests.watch import Reports

CALLBACKS = ["connection_made", "datagram_received", "error_received", "connection_lost"]


def refused_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Ending(Datagrams):
    """Does something in one of its callbacks."""

    where = ""
    action: Callable[[Any], None]

    def act(self, where: str) -> None:
        if where == self.where:
            self.where = ""
            self.action(self.transport)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.act("connection_made")

    def datagram_received(self, data: bytes, address: Any) -> None:
        super().datagram_received(data, address)
        self.told.append("datagram")
        self.act("datagram_received")

    def error_received(self, error: Exception) -> None:
        super().error_received(error)
        self.act("error_received")

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.act("connection_lost")


async def provoke(where: str, action: Callable[[Any], None]) -> Ending:
    """An endpoint whose protocol has just done `action` in the callback `where`."""
    loop = asyncio.get_running_loop()

    def make() -> Ending:
        protocol = Ending()
        protocol.where, protocol.action = where, action
        return protocol

    if where == "error_received":
        transport, protocol = await loop.create_datagram_endpoint(
            make, remote_addr=("127.0.0.1", refused_port())
        )
        transport.sendto(b"x")
    else:
        transport, protocol = await loop.create_datagram_endpoint(make, local_addr=("127.0.0.1", 0))
        if where == "datagram_received":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(3):
                    sender.sendto(b"x", transport.get_extra_info("sockname"))
        elif where == "connection_lost":
            transport.close()
    while protocol.where:
        await asyncio.sleep(0)
    return protocol


@on_both
@pytest.mark.parametrize("where", CALLBACKS)
@pytest.mark.parametrize("ends", ["close", "abort"])
def test_it_may_end_itself_in_any_callback(factory: LoopFactory, where: str, ends: str) -> None:
    async def main() -> None:
        protocol = await provoke(where, lambda transport: getattr(transport, ends)())
        assert await protocol.over is None
        await passes()
        assert protocol.told.count("lost") == 1
        assert protocol.told.count("datagram") == (where == "datagram_received")
        assert protocol.transport.is_closing()

    run(factory, main())


@pytest.mark.parametrize("where", CALLBACKS)
@pytest.mark.parametrize("ends", ["close", "abort"])
def test_the_root_scope_may_end_in_any_callback(where: str, ends: str) -> None:
    async def main() -> None:
        scope = asyncio.get_running_loop().scope  # type: ignore[attr-defined]
        protocol = await provoke(where, lambda transport: getattr(scope, ends)())
        assert await protocol.over is None
        await scope.wait_closed()
        assert protocol.told.count("lost") == 1
        assert protocol.told.count("datagram") == (where == "datagram_received")

    with asyncio.Runner(loop_factory=tether.Loop) as runner:
        runner.run(main())


@on_both
@pytest.mark.parametrize("where", CALLBACKS)
def test_what_a_callback_raises_is_reported_and_ends_nothing(
    factory: LoopFactory, where: str, reports: Reports
) -> None:
    def fail(transport: Any) -> None:
        raise ZeroDivisionError(where)

    async def main() -> None:
        protocol = await provoke(where, fail)
        await passes()
        if where != "connection_lost":
            assert not protocol.transport.is_closing()
            protocol.transport.close()
        assert await protocol.over is None
        await passes()
        assert protocol.told.count("datagram") == (3 if where == "datagram_received" else 0)

    run(factory, main())
    assert [str(error) for error in reports.take_errors()] == [where]


@on_both
@pytest.mark.parametrize("where", CALLBACKS)
def test_an_exit_in_a_callback_leaves_the_loop(factory: LoopFactory, where: str) -> None:
    def leave(transport: Any) -> None:
        raise SystemExit(7)

    async def begin() -> None:
        loop.protocol = await provoke(where, leave)  # type: ignore[attr-defined]

    loop = factory()
    try:
        with pytest.raises(SystemExit):
            loop.run_until_complete(begin())
        # It can be run again, and nothing was lost: the other datagrams are still there.
        task = asyncio.all_tasks(loop).pop()
        loop.run_until_complete(task)
        protocol = loop.protocol  # type: ignore[attr-defined]
        loop.run_until_complete(passes())
        assert protocol.told.count("datagram") == (3 if where == "datagram_received" else 0)
        protocol.transport.close()
        loop.run_until_complete(protocol.over)
        loop.run_until_complete(passes())
    finally:
        loop.close()


def test_a_loop_that_closes_ends_what_is_left_without_a_word() -> None:
    loop = tether.Loop()
    transport, protocol = loop.run_until_complete(
        loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    )
    with pytest.warns(ResourceWarning, match="DatagramTransport"):
        loop.close()
    assert protocol.told == ["made"]
    assert transport.is_closing()
    transport.close()
    transport.abort()
    transport.sendto(b"x", ("127.0.0.1", 9))
    assert "closed" in repr(transport)


def test_one_made_after_the_root_scope_closed_lives_by_asyncios_rules() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.scope.close()  # type: ignore[attr-defined]
        await loop.scope.wait_closed()  # type: ignore[attr-defined]
        transport, protocol = await loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", 0)
        )
        transport.sendto(b"x", transport.get_extra_info("sockname"))
        assert (await protocol.got.get())[0] == b"x"
        transport.close()
        assert await protocol.over is None

    with asyncio.Runner(loop_factory=tether.Loop) as runner:
        runner.run(main())


@on_both
def test_reading_can_be_paused(factory: LoopFactory) -> None:
    async def main() -> None:
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", 0)
        )
        paused: Any = transport
        assert paused.is_reading()
        paused.pause_reading()
        paused.pause_reading()
        transport.sendto(b"x", transport.get_extra_info("sockname"))
        await passes()
        assert protocol.got.empty()
        assert not paused.is_reading()
        paused.resume_reading()
        assert (await protocol.got.get())[0] == b"x"
        transport.close()
        await protocol.over

    run(factory, main())


@on_both
def test_the_callbacks_run_in_the_context_it_was_made_in(factory: LoopFactory) -> None:
    from contextvars import ContextVar

    var: ContextVar[str] = ContextVar("var", default="none")

    class Seeing(Datagrams):
        def datagram_received(self, data: bytes, address: Any) -> None:
            super().datagram_received(var.get().encode(), address)

    async def make() -> tuple[asyncio.DatagramTransport, Seeing]:
        var.set("made")
        return await asyncio.get_running_loop().create_datagram_endpoint(
            Seeing, local_addr=("127.0.0.1", 0)
        )

    async def main() -> None:
        transport, protocol = await asyncio.create_task(make())
        assert var.get() == "none"
        transport.sendto(b"x", transport.get_extra_info("sockname"))
        assert (await protocol.got.get())[0] == b"made"
        transport.close()
        await protocol.over

    run(factory, main())
