"""What one can listen on: every form of address, both families, several at once."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

import tether
from tests.plain_sockets import open_socket
from tether.stream.binding import bind


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def peers_of(listener: tether.Listener, seen: asyncio.Queue[str], *to: str) -> list[str]:
    """Connects to each address, and returns how the listener saw each client."""
    found = []
    for address in to:
        client = open_socket(address)
        found.append((await seen.get()).rpartition(":")[0])
        client.close()
    return found


@pytest.mark.parametrize("address", [":0", "[::]:0"])
def test_everything_is_both_families_in_one_socket(address: str) -> None:
    async def main() -> None:
        seen: asyncio.Queue[str] = asyncio.Queue()
        async with tether.listen(address, lambda stream: seen.put_nowait(stream.peer)) as listener:
            port = port_of(listener.address)
            assert listener.addresses == (f"[::]:{port}",)
            # An IPv4 client is told as one, not as ::ffff:127.0.0.1.
            assert await peers_of(listener, seen, f"127.0.0.1:{port}", f"[::1]:{port}") == [
                "127.0.0.1",
                "[::1]",
            ]

    tether.run(main())


def test_v6only_gives_each_family_a_socket_of_its_own() -> None:
    async def main() -> None:
        seen: asyncio.Queue[str] = asyncio.Queue()
        take = seen.put_nowait
        async with tether.listen(":0", lambda stream: take(stream.peer), v6only=True) as listener:
            port = port_of(listener.address)
            assert listener.addresses == (f"0.0.0.0:{port}", f"[::]:{port}")
            assert await peers_of(listener, seen, f"127.0.0.1:{port}", f"[::1]:{port}") == [
                "127.0.0.1",
                "[::1]",
            ]
        async with tether.listen("[::]:0", lambda stream: None, v6only=True) as listener:
            port = port_of(listener.address)
            with pytest.raises(ConnectionRefusedError):
                open_socket(f"127.0.0.1:{port}")
            open_socket(f"[::1]:{port}").close()

    tether.run(main())


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST."])
def test_localhost_is_both_loopbacks_with_one_port(name: str) -> None:
    async def main() -> None:
        seen: asyncio.Queue[str] = asyncio.Queue()
        take = seen.put_nowait
        async with tether.listen(f"{name}:0", lambda stream: take(stream.peer)) as listener:
            port = port_of(listener.address)
            assert listener.addresses == (f"127.0.0.1:{port}", f"[::1]:{port}")
            assert await peers_of(listener, seen, *listener.addresses) == ["127.0.0.1", "[::1]"]
            assert len(listener.tree().splitlines()) >= 1
            assert f"127.0.0.1:{port} [::1]:{port} open=" in listener.tree()
        for address in listener.addresses:
            with pytest.raises(ConnectionRefusedError):
                open_socket(address)

    tether.run(main())


def test_a_port_that_is_taken_in_one_family_only_is_not_chosen() -> None:
    # Every port of the system's choice that ::1 has is tried again; the sockets are not leaked.
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        with pytest.raises(tether.LocalError, match=f"port {port} already") as caught:
            bind(f"localhost:{port}")
        assert caught.value.errno == 98
    for _ in range(20):
        bound = bind("localhost:0")
        first, second = (one.socket.getsockname()[1] for one in bound)
        assert first == second
        for one in bound:
            one.close()


def test_several_addresses_are_one_listener(tmp_path: Path) -> None:
    async def main() -> None:
        seen: asyncio.Queue[str] = asyncio.Queue()
        path = tmp_path / "socket"
        async with tether.listen(
            ["127.0.0.1:0", f"unix:{path}"], lambda stream: seen.put_nowait(stream.peer)
        ) as listener:
            assert listener.address.startswith("127.0.0.1:")
            assert listener.addresses == (listener.address, f"unix:{path}")
            for address in listener.addresses:
                client = open_socket(address)
                peer = await seen.get()
                assert (peer == "unix:") == address.startswith("unix:")
                client.close()
            assert listener.accepted_count == 2
        assert not path.exists()

    tether.run(main())


def test_where_one_of_several_fails_none_is_left(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(tether.LocalError):
            bind([f"unix:{path}", taken])
    assert not path.exists()
    with pytest.raises(ValueError, match="no address"):
        bind([])


def test_an_abstract_socket_has_no_file(tmp_path: Path) -> None:
    async def main() -> None:
        address = f"unix:@tether-{os.getpid()}-{tmp_path.name}"
        async with tether.listen(address, lambda stream: stream.send(b"hello")) as listener:
            assert listener.address == address
            stream = await tether.connect(address)
            assert await stream.readexactly(5) == b"hello"
            with pytest.raises(tether.LocalError, match="address already in use"):
                tether.listen(address, lambda stream: None)
        with pytest.raises(tether.ConnectionRefused) as caught:
            await tether.connect(address)
        assert "\0" not in str(caught.value)
        assert caught.value.address == address.removeprefix("unix:")

    tether.run(main())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o777])
def test_a_unix_socket_has_the_mode_that_was_asked_for(tmp_path: Path, mode: int) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        async with tether.listen(f"unix:{path}", lambda stream: None, mode=mode):
            assert stat.S_IMODE(path.stat().st_mode) == mode

    tether.run(main())


def test_a_file_that_took_its_place_is_not_removed(tmp_path: Path) -> None:
    async def main() -> None:
        path, successor = tmp_path / "socket", tmp_path / "successor"
        first = tether.listen(f"unix:{path}", lambda stream: None)
        async with tether.listen(f"unix:{successor}", lambda stream: stream.send(b"second")):
            successor.rename(path)
            first.close()
            await first.wait_closed()
            stream = await tether.connect(f"unix:{path}")
            assert await stream.readexactly(6) == b"second"
        path.unlink()

    tether.run(main())


def test_the_file_is_found_again_after_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.chdir(tmp_path)
        listener = tether.listen("unix:socket", lambda stream: None)
        monkeypatch.chdir("/")
        listener.close()
        await listener.wait_closed()

    tether.run(main())
    assert list(tmp_path.iterdir()) == []


def test_a_live_socket_with_a_full_backlog_is_not_taken_for_a_stale_one(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen(0)
        waiting = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            if client.connect_ex(str(path)):
                break
        with pytest.raises(tether.LocalError, match="another program listens there") as caught:
            bind(f"unix:{path}")
        assert caught.value.errno == 98
        for client in waiting:
            client.close()
    assert path.exists()


def test_processes_can_share_a_port() -> None:
    async def main() -> None:
        async with tether.listen("localhost:0", lambda stream: None, reuse_port=True) as first:
            port = port_of(first.address)
            async with tether.listen(
                f"localhost:{port}", lambda stream: None, reuse_port=True
            ) as second:
                assert second.addresses == first.addresses

    tether.run(main())


@pytest.mark.parametrize(
    ("address", "number", "advice"),
    [
        ("192.0.2.1:80", 99, "no interface of this machine has that address"),
        ("unix:{}/missing/socket", 2, "make the directory .*/missing first"),
        ("unix:{}/" + "x" * 120, None, "107 bytes at most"),
        ("unix:{}", 98, "or the file is no socket"),
        ("no-such-name.invalid:0", None, "not known|name resolution"),
    ],
)
def test_a_failure_says_what_to_do(
    tmp_path: Path, address: str, number: int | None, advice: str
) -> None:
    address = address.format(tmp_path)
    with pytest.raises(tether.LocalError, match=advice) as caught:
        bind(address)
    error = caught.value
    assert (error.errno, error.phase, error.peer) == (number, "listen", address)
    assert str(error).startswith(f"listen on {address} failed: ")
    assert "\n" not in str(error)


def test_a_privileged_port_says_what_it_needs() -> None:
    # In a child that gave up its rights, if there are any.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            bind("127.0.0.1:1")
            said = "bound"
        except BaseException as error:
            said = f"{getattr(error, 'errno', None)} {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        said = answers.read()
    os.waitpid(child, 0)
    allowed = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if allowed <= 1:
        assert said == "bound"
    else:
        assert said.startswith("13 listen on 127.0.0.1:1 failed: permission denied: ports below")


@pytest.mark.parametrize(
    "address", ["fd:", "fd:-1", "fd:x", "unix:@", ":", ":x", "[::1:80", ":70000", "unix:@a\0b"]
)
def test_what_is_no_address_raises_value_error(address: str) -> None:
    with pytest.raises(ValueError, match=r"descriptor|abstract|port|brackets|characters"):
        bind(address)


@pytest.mark.parametrize(
    "option",
    [{"backlog": 0}, {"mode": 0o1000}, {"mode": -1}, {"keepalive": 0}, {"defer_accept": -1}],
)
def test_an_option_out_of_range_is_refused_before_anything_is_bound(
    option: dict[str, int], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        bind(f"unix:{tmp_path}/socket", **option)
    assert list(tmp_path.iterdir()) == []
