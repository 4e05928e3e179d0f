"""A forked child: the loop is its parent's, which it can neither use nor disturb."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable

import pytest

import tether
from tests.engine.conftest import close_root


def in_child(work: Callable[[], object]) -> str:
    """What `work` returned in a forked child, or the error it ended with."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def open_stream(loop: tether.Loop) -> tuple[tether.Stream, socket.socket]:
    async def connect() -> tuple[tether.Stream, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stream = await tether.connect(f"127.0.0.1:{listening.getsockname()[1]}")
            return stream, listening.accept()[0]

    return loop.run_until_complete(connect())


USES: dict[str, Callable[[tether.Loop, tether.Stream, tether.Scope], object]] = {
    "run_forever": lambda loop, stream, scope: loop.run_forever(),
    "run_once": lambda loop, stream, scope: loop.run_once(),
    "run_until_complete": lambda loop, stream, scope: loop.run_until_complete(loop.create_future()),
    "call_soon": lambda loop, stream, scope: loop.call_soon(print),
    "call_soon_threadsafe": lambda loop, stream, scope: loop.call_soon_threadsafe(print),
    "call_later": lambda loop, stream, scope: loop.call_later(1, print),
    "add_reader": lambda loop, stream, scope: loop.add_reader(0, print),
    "on_prepare": lambda loop, stream, scope: loop.on_prepare(print),
    "tree": lambda loop, stream, scope: loop.tree(),
    "after": lambda loop, stream, scope: scope.after(1, print),
    "own": lambda loop, stream, scope: scope.own(stream),
    "close of a scope": lambda loop, stream, scope: scope.close(),
    "send": lambda loop, stream, scope: stream.send(b"x"),
    "abort": lambda loop, stream, scope: stream.abort(),
}


@pytest.mark.parametrize("use", USES)
def test_using_the_parents_loop_in_the_child_raises(loop: tether.Loop, use: str) -> None:
    stream, peer = open_stream(loop)
    scope = tether.Scope(loop.scope)
    said = in_child(lambda: USES[use](loop, stream, scope))
    assert said.startswith("RuntimeError: this loop belongs to the process that forked")
    peer.close()


@pytest.mark.parametrize("use", ["write", "abort", "close", "close of the loop"])
def test_the_parents_asyncio_transport_goes_on_whatever_the_child_does(
    loop: tether.Loop, use: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, host, port))
        peer = listening.accept()[0]
    uses: dict[str, Callable[[], object]] = {
        "write": lambda: transport.write(b"child"),
        "abort": transport.abort,
        "close": transport.close,
        "close of the loop": loop.close,
    }
    transport.write(b"parent")  # still to be sent when it forks
    said = in_child(uses[use])
    assert (said == "None") == (use != "write")
    loop.run_once(block=False)
    transport.write(b" again")
    loop.run_once(block=False)
    assert peer.recv(12, socket.MSG_WAITALL) == b"parent again"
    transport.close()
    loop.run_once()
    assert peer.recv(100) == b""
    peer.close()


def test_a_child_makes_a_loop_of_its_own(loop: tether.Loop) -> None:
    async def main() -> str:
        await asyncio.sleep(0.001)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stream = await tether.connect(f"127.0.0.1:{listening.getsockname()[1]}")
            peer = listening.accept()[0]
        stream.send(b"hello")
        stream.close()
        await stream.wait_closed()
        with peer:
            return peer.recv(16).decode()

    assert in_child(lambda: tether.run(main())) == "hello"


def test_a_child_of_a_running_loop_makes_one_too(loop: tether.Loop) -> None:
    async def child() -> str:
        await asyncio.sleep(0.001)
        return "child"

    async def main() -> tuple[str, str]:
        said = in_child(lambda: tether.run(child()))
        await asyncio.sleep(0.001)
        return said, "parent"

    assert loop.run_until_complete(main()) == ("child", "parent")


def test_a_pass_that_runs_while_it_forks_ends_in_the_child(loop: tether.Loop) -> None:
    ran: list[str] = []
    pids: list[int] = []
    loop.call_soon(lambda: pids.append(os.fork()))
    loop.call_soon(ran.append, "after the fork")
    loop.call_soon(loop.stop)
    reading, writing = os.pipe()
    try:
        loop.run_forever()
        said = "ran on"
    except RuntimeError as error:
        said = str(error)
    if pids == [0]:
        os.write(writing, f"{said} {ran}".encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pids[0], 0)
    with os.fdopen(reading) as answer:
        child = answer.read()
    assert child.startswith("this loop belongs to the process that forked")
    assert child.endswith("[]")
    assert (said, ran) == ("ran on", ["after the fork"])


@pytest.mark.parametrize("how", ["close", "garbage"])
def test_what_the_child_does_with_it_disturbs_no_connection(how: str) -> None:
    kept = [tether.Loop()]
    loop = kept[0]
    stream, peer = open_stream(loop)
    ours, theirs = socket.socketpair()
    got: list[bytes] = []
    loop.add_reader(ours, lambda: got.append(ours.recv(16)))
    streams = [stream]
    stream.on_data(got.append)

    number = stream.fileno()

    def end() -> str:
        nonlocal loop, stream
        if how == "close":
            loop.close()
            loop.close()
            assert loop.is_closed()
        del loop, stream
        kept.clear()
        streams.clear()
        gc.collect()
        try:
            return os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
        except FileNotFoundError:
            return "closed"

    said = in_child(end)
    assert how == "garbage" or said == "closed"
    # And nothing was taken from the parent: its sockets are still polled, and still open.
    peer.send(b"to the stream")
    while not got:
        loop.run_once()
    theirs.send(b"to the reader")
    while len(got) < 2:
        loop.run_once()
    assert got == [b"to the stream", b"to the reader"]
    stream.send(b"and back")
    loop.run_once(block=False)
    assert peer.recv(16) == b"and back"
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(16)  # no end of file, no reset
    loop.remove_reader(ours)
    for one in (ours, theirs, peer):
        one.close()
    loop.run_until_complete(close_root(loop))
    loop.close()


def test_a_child_lets_go_of_the_parents_connections_when_it_closes_the_loop() -> None:
    loop = tether.Loop()
    stream, peer = open_stream(loop)
    go_reading, go_writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_writing)
        loop.close()
        os.read(go_reading, 1)
        os._exit(0)
    os.close(go_reading)
    # The child lives on, and holds no copy: the parent's close is the last.
    stream.abort()
    loop.run_once(block=False)
    peer.settimeout(10)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    os.close(go_writing)
    os.waitpid(child, 0)
    peer.close()
    loop.close()


def test_a_unix_listeners_path_stays_when_the_child_closes_the_loop(tmp_path: object) -> None:
    loop = tether.Loop()
    path = f"{tmp_path}/socket"

    async def listen() -> tether.Listener:
        return tether.listen(f"unix:{path}", lambda stream: stream.close())

    loop.run_until_complete(listen())
    assert in_child(loop.close) == "None"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    loop.run_until_complete(close_root(loop))
    loop.close()


def test_a_signal_that_comes_to_the_child_does_not_wake_the_parent(loop: tether.Loop) -> None:
    got: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, got.append, "signal")
    in_child(lambda: signal.raise_signal(signal.SIGUSR1))
    loop.run_once(block=False)
    loop.run_once(block=False)
    assert got == []
    loop.remove_signal_handler(signal.SIGUSR1)
