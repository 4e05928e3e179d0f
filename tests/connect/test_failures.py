"""A connect that fails says why: one class and one errno for each reason, once, and in time."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tether
from tether.errors import SocketForbidden, SocketMissing


@contextmanager
def closed_port(family: int = socket.AF_INET) -> Iterator[str]:
    """The address of a port that is taken, so that nobody else gets it, and not listened on."""
    with socket.socket(family) as reserved:
        reserved.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        host, port = reserved.getsockname()[:2]
        yield f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of a listener whose backlog is full: it answers nobody."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        where = listening.getsockname()
        fillers: list[socket.socket] = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(where)
                fillers.append(filler)
            yield f"{where[0]}:{where[1]}"
        finally:
            for filler in fillers:
                filler.close()


async def failure_of(
    address: str, timeout: float | None = 10.0
) -> tuple[tether.NetworkError, float]:
    """The error of a connect, and how long it took in seconds."""
    began = time.monotonic()
    with pytest.raises(tether.NetworkError) as caught:
        await tether.connect(address, timeout=timeout)
    return caught.value, time.monotonic() - began


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_closed_port_is_refused_on_the_first_and_on_every_later_try(family: int) -> None:
    async def main() -> None:
        seen: list[tether.NetworkError] = []
        with closed_port(family) as address:
            host, _, port = address.rpartition(":")
            for _ in range(20):
                error, took = await failure_of(address)
                seen.append(error)
                assert type(error) is tether.ConnectionRefused
                assert isinstance(error, ConnectionRefusedError)
                assert error.errno == 111
                assert error.phase == "connect"
                assert error.address == host.strip("[]")
                assert error.peer == f"{host}:{port}"
                assert error.token == "connection_refused"
                assert [type(one.error) for one in error.attempts] == [tether.ConnectionRefused]
                assert error.attempts[0].address == error.address
                assert took < 1
                assert error.elapsed is not None
                assert 0 <= error.elapsed <= took
                assert f"connect to {address}" in str(error)
                assert "connection refused after" in str(error)
        assert len({id(error) for error in seen}) == 20

    tether.run(main())


def test_many_refused_at_once_each_hear_it_once() -> None:
    async def main() -> None:
        with closed_port() as address:
            results = await asyncio.gather(
                *(tether.connect(address) for _ in range(200)), return_exceptions=True
            )
        assert [type(result) for result in results] == [tether.ConnectionRefused] * 200
        assert len({id(result) for result in results}) == 200

    tether.run(main())


def test_a_refused_connect_leaves_nothing_below_its_owner() -> None:
    async def main() -> None:
        scope = tether.Scope(name="owner")
        with closed_port() as address, pytest.raises(tether.ConnectionRefused):
            await tether.connect(address, owner=scope)
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(scope.tree().splitlines()) == 1
        assert scope.state == "open"

    tether.run(main())


@pytest.mark.parametrize("timeout", [0.05, 0.3])
def test_a_black_hole_times_out_and_not_before_its_time(timeout: float) -> None:
    async def main() -> None:
        with black_hole() as address:
            error, took = await failure_of(address, timeout)
        assert type(error) is tether.ConnectTimeout
        assert isinstance(error, TimeoutError)
        assert timeout <= took < timeout + 1
        assert error.phase == "connect"
        assert error.peer == address
        assert error.address == "127.0.0.1"
        assert error.token == "connection_timeout"
        assert [type(one.error) for one in error.attempts] == [tether.ConnectTimeout]
        assert error.elapsed is not None
        assert timeout <= error.elapsed <= took

    tether.run(main())


@pytest.mark.parametrize("after", [0, 1, 2, 0.02])
def test_a_connect_can_be_cancelled_and_leaves_nothing(after: float) -> None:
    async def main() -> None:
        scope = tether.Scope(name="owner")
        with black_hole() as address:
            connecting = asyncio.ensure_future(tether.connect(address, owner=scope))
            if isinstance(after, float):
                await asyncio.sleep(after)
            else:
                for _ in range(after):
                    await asyncio.sleep(0)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            for _ in range(4):
                await asyncio.sleep(0)
        assert len(scope.tree().splitlines()) == 1

    tether.run(main())


def test_a_cancel_at_any_pass_of_a_connect_that_succeeds_leaves_nothing() -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", lambda stream: None) as listener:
            outcomes: set[str] = set()
            for passes in range(25):
                scope = tether.Scope(name="owner")
                connecting = asyncio.ensure_future(tether.connect(listener.address, owner=scope))
                for _ in range(passes):
                    await asyncio.sleep(0)
                connecting.cancel()
                try:
                    stream = await connecting
                except asyncio.CancelledError:
                    outcomes.add("cancelled")
                else:
                    outcomes.add("connected")
                    stream.close()
                    await stream.wait_closed()
                for _ in range(6):
                    await asyncio.sleep(0)
                assert scope.tree().splitlines()[1:] == [], f"cancelled after {passes} passes"
                scope.close()
                await scope.wait_closed()
            assert outcomes == {"cancelled", "connected"}

    tether.run(main())


def test_a_connect_whose_owner_closes_raises_closed() -> None:
    async def main() -> None:
        scope = tether.Scope(name="owner")
        with black_hole() as address:
            connecting = asyncio.ensure_future(tether.connect(address, owner=scope))
            await asyncio.sleep(0.01)
            scope.close()
            with pytest.raises(tether.Closed):
                await asyncio.wait_for(connecting, 5)
            await scope.wait_closed()
            with pytest.raises(tether.Closed):
                await tether.connect(address, owner=scope)

    tether.run(main())


def test_a_missing_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        for _ in range(3):
            error, took = await failure_of(f"unix:{tmp_path}/missing")
            assert type(error) is SocketMissing
            assert isinstance(error, FileNotFoundError)
            assert error.errno == 2
            assert error.phase == "connect"
            assert error.address == f"{tmp_path}/missing"
            assert took < 1

    tether.run(main())


def test_a_stale_unix_socket_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(tmp_path / "stale"))
        stale.close()
        for _ in range(3):
            error, took = await failure_of(f"unix:{tmp_path}/stale")
            assert type(error) is tether.ConnectionRefused
            assert (error.errno, error.phase) == (111, "connect")
            assert error.address == f"{tmp_path}/stale"
            assert took < 1

    tether.run(main())


def test_a_forbidden_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        folder = tmp_path / "closed"
        folder.mkdir()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / "socket"))
            listening.listen()
            folder.chmod(0)
            error, _ = await failure_of(f"unix:{folder}/socket")
        assert type(error) is SocketForbidden
        assert isinstance(error, PermissionError)
        assert (error.errno, error.phase) == (13, "connect")

    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)  # root may go anywhere
    try:
        if is_root:
            os.seteuid(0)
            os.chown(tmp_path, 65534, -1)
            for folder in tmp_path.parents[:-2]:
                folder.chmod(folder.stat().st_mode | 0o111)
            os.seteuid(65534)
        tether.run(main())
    finally:
        if is_root:
            os.seteuid(0)
        (tmp_path / "closed").chmod(0o700)


def test_without_descriptors_it_is_a_local_error() -> None:
    async def main() -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with closed_port() as address:
            free = os.open("/dev/null", os.O_RDONLY)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            try:
                error, _ = await failure_of(address)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert type(error) is tether.LocalError
        assert error.errno == 24

    tether.run(main())


@pytest.mark.parametrize("name", ["a" * 64 + ".invalid", "a..b"])
def test_what_can_be_no_name_is_not_resolved(name: str) -> None:
    async def main() -> None:
        error, took = await failure_of(f"{name}:80")
        assert type(error) is tether.ResolveError
        assert error.phase == "resolve"
        assert took < 5

    tether.run(main())


NO_ADDRESSES = ["", "127.0.0.1", ":80", "host:", "host:80x", "host:65536", "::1:80", "unix:"]


@pytest.mark.parametrize("address", [*NO_ADDRESSES, "a\0b:1", "a b:1", "xn--\udcff:1"], ids=ascii)
def test_what_is_no_address_raises_value_error_at_once(address: str) -> None:
    async def main() -> None:
        began = time.monotonic()
        with pytest.raises(ValueError, match=r".") as caught:
            await tether.connect(address, timeout=5)
        assert not isinstance(caught.value, tether.NetworkError)
        assert time.monotonic() - began < 1

    tether.run(main())
