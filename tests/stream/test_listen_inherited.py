"""Descriptors that listen already: handed over by number, and by systemd's protocol."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import tether
from tests.plain_sockets import open_socket
from tether.stream.inherited import inherited

#: Takes the place of systemd: puts the sockets on descriptors 3, 4 ... and becomes the program.
ACTIVATE = """
import fcntl, os, sys
numbers = [int(one) for one in sys.argv[1].split(",") if one]
kept = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 100) for one in numbers]
for place, one in enumerate(kept, 3):
    os.dup2(one, place, inheritable=True)
for variable in sys.argv[2].split(";"):
    name, _, value = variable.partition("=")
    if name:
        os.environ[name] = value.replace("PID", str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-W", "error", "-c", sys.argv[3]])
"""

SERVER = """
import asyncio, fcntl, os, subprocess, sys
import tether

async def main():
    async def greet(stream):
        await stream.send(b"hello from " + ADDRESS.encode())

    async with tether.listen(ADDRESS, greet) as listener:
        print(*listener.addresses, flush=True)
        number = int(ADDRESS[3:]) if ADDRESS.startswith("fd:") else 3
        flags = [fcntl.fcntl(fd, fcntl.F_GETFD) for fd in (number, listener.fileno())]
        assert all(flag & fcntl.FD_CLOEXEC for flag in flags), flags
        await asyncio.to_thread(sys.stdin.readline)

tether.run(main())
"""


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[list[socket.socket]]:
    """Three sockets: TCP, TCP over IPv6, Unix."""
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    unix.listen()
    sockets = [
        socket.create_server(("127.0.0.1", 0)),
        socket.create_server(("::1", 0), family=socket.AF_INET6),
        unix,
    ]
    yield sockets
    for one in sockets:
        one.close()


def activated(
    sockets: Sequence[socket.socket], variables: str, program: str
) -> subprocess.Popen[str]:
    numbers = [one.fileno() for one in sockets]
    return subprocess.Popen(
        [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers)), variables, program],
        pass_fds=numbers,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(tether.__file__).parents[1])},
    )


def names_of(sockets: Sequence[socket.socket]) -> list[str]:
    names = []
    for one in sockets:
        name = one.getsockname()
        if one.family == socket.AF_UNIX:
            names.append(f"unix:{name}")
        elif one.family == socket.AF_INET6:
            names.append(f"[{name[0]}]:{name[1]}")
        else:
            names.append(f"{name[0]}:{name[1]}")
    return names


ALL = "LISTEN_PID=PID;LISTEN_FDS=3;LISTEN_FDNAMES=web:admin:web"


@pytest.mark.parametrize(
    ("address", "variables", "taken"),
    [
        ("systemd:", ALL, [0, 1, 2]),
        ("systemd:web", ALL, [0, 2]),
        ("systemd:admin", ALL, [1]),
        ("systemd:unknown", "LISTEN_PID=PID;LISTEN_FDS=3", [0, 1, 2]),
        ("fd:5", "", [2]),
    ],
)
def test_what_was_handed_over_is_served(
    listening: list[socket.socket],
    tmp_path: Path,
    address: str,
    variables: str,
    taken: list[int],
) -> None:
    program = f"ADDRESS = {address!r}\n{SERVER}"
    with activated(listening, variables, program) as process:
        assert process.stdout is not None
        expected = names_of([listening[number] for number in taken])
        first = process.stdout.readline().split()
        if first != expected:
            process.kill()
            assert first == expected, process.communicate()
        for name in expected:
            client = open_socket(name)
            wanted = f"hello from {address}".encode()
            assert client.recv(len(wanted), socket.MSG_WAITALL) == wanted
            client.close()
        assert process.communicate("\n", timeout=20) == ("", "")
    assert process.returncode == 0
    # Not ours: the file stays, and who handed it over has it still.
    assert (tmp_path / "socket").exists()
    open_socket(f"unix:{tmp_path}/socket").close()


@pytest.mark.parametrize(
    ("address", "variables", "reason"),
    [
        ("systemd:", "", "no sockets were handed over to this process"),
        ("systemd:", "LISTEN_PID=1;LISTEN_FDS=3", "no sockets were handed over to this process"),
        ("systemd:", "LISTEN_PID=PID", "LISTEN_FDS is no number of sockets: ''"),
        ("systemd:", "LISTEN_PID=PID;LISTEN_FDS=0", "LISTEN_FDS is no number"),
        ("systemd:", "LISTEN_PID=PID;LISTEN_FDS=-3", "LISTEN_FDS is no number"),
        ("systemd:", "LISTEN_PID=PID;LISTEN_FDS=9999999999999", "LISTEN_FDS is no number"),
        ("systemd:", "LISTEN_PID=PID;LISTEN_FDS=40", "descriptor 6 is not open"),
        ("systemd:other", ALL, "no socket has that name; there is: admin, web"),
        ("systemd:web", ALL.replace(":web", ""), "LISTEN_FDNAMES has"),
    ],
)
def test_what_was_not_handed_over_is_refused(
    listening: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    variables: str,
    reason: str,
) -> None:
    # In this process only what does not look at descriptors: 3 and above are others' here.
    program = (
        "import tether\n"
        "from tether.stream.binding import bind\n"
        f"try:\n    bind({address!r})\n"
        "except tether.LocalError as error:\n    print(error)\n"
    )
    with activated(listening, variables, program) as process:
        said, complaints = process.communicate(timeout=20)
    assert complaints == ""
    assert said.startswith(f"listen on {address} failed: ")
    assert reason in said


def test_a_descriptor_stays_with_whom_it_belongs_to(listening: list[socket.socket]) -> None:
    async def main() -> None:
        server = listening[0]
        address = f"fd:{server.fileno()}"
        for _ in range(2):  # it can be listened on again
            async with tether.listen(address, lambda stream: stream.send(b"hello")) as listener:
                assert listener.address == names_of([server])[0]
                assert listener.fileno() != server.fileno()
                stream = await tether.connect(listener.address)
                assert await stream.readexactly(5) == b"hello"
        assert server.fileno() >= 0
        open_socket(listener.address).close()

    tether.run(main())


def test_only_a_listening_stream_socket_is_taken(tmp_path: Path) -> None:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one, other = socket.socketpair()
    with (tmp_path / "file").open("w") as file, bound, datagrams, one, other:
        for number, reason in [
            (bound.fileno(), "does not listen"),
            (datagrams.fileno(), "is no stream socket"),
            (one.fileno(), "does not listen"),
            (file.fileno(), "is no socket"),
        ]:
            with pytest.raises(tether.LocalError, match=f"descriptor {number} {reason}"):
                inherited(f"fd:{number}")
    with pytest.raises(tether.LocalError, match="descriptor 999999 is not open") as caught:
        inherited("fd:999999")
    assert caught.value.errno == 9
    with pytest.raises(tether.LocalError, match="is not open"):
        inherited("fd:99999999999999999999")


def test_it_is_closed_on_exec_from_here_on(listening: list[socket.socket]) -> None:
    server = listening[0]
    server.set_inheritable(True)
    [copy] = inherited(f"fd:{server.fileno()}")
    for one in (server, copy):
        assert fcntl.fcntl(one.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    copy.close()


def test_a_socket_that_somebody_else_shuts_down_ends_the_listener() -> None:
    async def main() -> None:
        told: list[tether.NetworkError] = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            listener = tether.listen(
                f"fd:{server.fileno()}", lambda stream: None, on_error=told.append
            )
            server.shutdown(socket.SHUT_RDWR)
            await asyncio.wait_for(listener.wait_closed(), 5)
        [error] = told
        assert isinstance(error, tether.LocalError)
        assert (error.phase, error.errno) == ("accept", 22)
        assert listener.error is error

    tether.run(main())
