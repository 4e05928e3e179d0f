"""A connect that is cancelled at any pass, or whose owner closes, leaves nothing in any phase."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import tether
from tests.certificates import NAME, client_context, server_context
from tests.connect.name_server import name_server
from tests.connect.test_failures import black_hole, closed_port
from tests.connect.test_name_servers import resolver
from tests.connect.test_success import echo

WAYS = ["name", "tls", "tunnel", "socks5", "tls in tls"]


async def tunnel(stream: tether.Stream) -> None:
    """A proxy of the test's own loop: it answers, and is the peer itself."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.readexactly(1)
    await stream.send(b"HTTP/1.1 200 Established\r\n\r\n")


async def socks(stream: tether.Stream) -> None:
    await stream.readexactly(3)
    await stream.send(b"\x05\x00")
    await stream.readexactly(10)
    await stream.send(b"\x05\x00\x00\x01" + bytes(6))


@asynccontextmanager
async def way_there(way: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """An address, and how to connect to it so that many phases are met."""

    async def serve(stream: tether.Stream) -> None:
        try:
            if way == "tls in tls":
                await stream.start_tls(server_context("127.0.0.1"), server_side=True)
            if way in ("tunnel", "tls in tls"):
                await tunnel(stream)
            elif way == "socks5":
                await socks(stream)
            if way.startswith("tls"):
                await stream.start_tls(server_context(), server_side=True)
            await echo(stream)
        except tether.NetworkError:
            pass  # the client left

    async with name_server() as names, tether.listen("127.0.0.1:0", serve) as listener:
        port = listener.address.rpartition(":")[2]
        names.knows("here.test", "127.0.0.1")
        if way == "name":
            yield f"here.test:{port}", {"resolver": resolver(names)}
        elif way == "tls":
            yield listener.address, {"ssl": client_context(), "server_hostname": NAME}
        elif way == "tls in tls":
            yield (
                "127.0.0.1:443",
                {
                    "ssl": client_context(),
                    "server_hostname": NAME,
                    "proxy": f"https://{listener.address}",
                    "proxy_ssl": client_context(),
                },
            )
        else:
            scheme = "http" if way == "tunnel" else way
            yield "127.0.0.1:443", {"proxy": f"{scheme}://{listener.address}"}


def is_ours(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/tether/stream/" in code.co_filename


def lines(scope: tether.Scope) -> list[str]:
    return scope.tree().splitlines()[1:]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ending", ["cancel", "close"])
def test_at_any_pass(way: str, ending: str) -> None:
    async def main() -> None:
        root = asyncio.get_running_loop().scope  # type: ignore[attr-defined]
        async with way_there(way) as (address, settings):
            passes, has_connected = 0, False
            while not has_connected:
                owner = tether.Scope(name="owner")
                connecting = asyncio.ensure_future(tether.connect(address, owner=owner, **settings))
                for _ in range(passes):
                    await asyncio.sleep(0)
                has_connected = connecting.done()
                if ending == "cancel":
                    connecting.cancel()
                else:
                    owner.close()
                try:
                    stream = await connecting
                except (asyncio.CancelledError, tether.Closed) as error:
                    assert isinstance(error, tether.Closed) == (ending == "close")
                else:
                    assert has_connected or ending == "cancel"
                    stream.abort()
                for _ in range(8):
                    await asyncio.sleep(0)
                assert lines(owner) == [] or owner.closed, f"after {passes} passes"
                owner.abort()
                await owner.wait_closed()
                passes += 1
            assert passes > 3
            # The server's part of them ends on its own; of ours nothing is there.
            assert [line for line in lines(root) if "lookup" in line or "connect " in line] == []
            assert [task for task in asyncio.all_tasks() if is_ours(task)] == []

    tether.run(main())


@pytest.mark.parametrize("phase", ["resolve", "connect", "tunnel", "tls", "retry"])
def test_an_owner_that_closes_with_a_cause_says_why(phase: str) -> None:
    async def main() -> None:
        async with name_server() as names, tether.listen("127.0.0.1:0", lambda one: None) as silent:
            names.otherwise.is_silent = True
            with black_hole() as hole, closed_port() as closed:
                cases: dict[str, tuple[str, dict[str, Any]]] = {
                    "resolve": ("here.test:1", {"resolver": resolver(names, server_timeout=20)}),
                    "connect": (hole, {}),
                    "tunnel": ("here.test:1", {"proxy": f"http://{silent.address}"}),
                    "tls": (silent.address, {"ssl": True}),
                    "retry": (closed, {"retries": tether.Retry(first=9, cap=9, jitter=False)}),
                }
                address, settings = cases[phase]
                owner = tether.Scope(name="owner")
                connecting = asyncio.ensure_future(tether.connect(address, owner=owner, **settings))
                await asyncio.sleep(0.03)
                assert not connecting.done()
                owner.close(KeyError("why"))
                with pytest.raises(KeyError, match="why"):
                    await asyncio.wait_for(connecting, 2)
                await asyncio.wait_for(owner.wait_closed(), 5)

    tether.run(main())


def test_a_cancelled_connect_of_a_closing_owner_is_cancelled() -> None:
    async def main() -> None:
        owner = tether.Scope(name="owner")
        with black_hole() as hole:
            connecting = owner.spawn(tether.connect(hole, owner=owner))
            await asyncio.sleep(0.01)
            owner.close()  # which cancels its task, too
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await owner.wait_closed()

    tether.run(main())
