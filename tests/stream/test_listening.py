"""Listening: accept, hand on, rest without descriptors, close."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import tether
from tests.plain_sockets import open_socket
from tests.watch import Reports


def test_every_connection_becomes_a_stream_below_the_listener() -> None:
    async def main() -> None:
        streams: list[tether.Stream] = []
        accepted = asyncio.Event()

        def accept(stream: tether.Stream) -> None:
            streams.append(stream)
            if len(streams) == 50:
                accepted.set()

        async with tether.listen("127.0.0.1:0", accept) as listener:
            clients = [open_socket(listener.address) for _ in range(50)]
            await accepted.wait()
            assert listener.accepted_count == 50
            names = {"{}:{}".format(*client.getsockname()) for client in clients}
            assert {stream.peer for stream in streams} == names
            assert len(listener.tree().splitlines()) == 51
        assert {stream.state for stream in streams} == {"closed"}
        for client in clients:
            assert client.recv(1) == b""
            client.close()

    tether.run(main())


def test_an_async_handler_is_the_streams_driver() -> None:
    async def main() -> None:
        ended: asyncio.Queue[tether.Stream] = asyncio.Queue()

        async def greet(stream: tether.Stream) -> None:
            await stream.send(b"hello")
            await ended.put(stream)

        async with tether.listen("127.0.0.1:0", greet) as listener:
            client = open_socket(listener.address)
            stream = await ended.get()
            await stream.wait_closed()
            assert stream.error is None
            assert client.recv(100) == b"hello"
            assert client.recv(100) == b""
            client.close()

    tether.run(main())


@pytest.mark.parametrize("kind", ["plain", "async", "on_data", "timer", "task"])
def test_a_failure_closes_its_own_stream_only(kind: str, reports: Reports) -> None:
    async def main() -> None:
        streams: list[tether.Stream] = []
        both = asyncio.Event()

        async def fail_as_task() -> None:
            raise ValueError("planned")

        def fail(*_: object) -> None:
            raise ValueError("planned")

        def accept(stream: tether.Stream) -> object:
            streams.append(stream)
            if len(streams) == 2:
                both.set()
                return None
            if kind == "plain":
                fail()
            elif kind == "async":
                return fail_as_task()
            elif kind == "on_data":
                stream.on_data(fail)
            elif kind == "timer":
                tether.Scope(stream).after(0, fail)
            else:
                stream.spawn(fail_as_task())
            return None

        async with tether.listen("127.0.0.1:0", accept) as listener:
            clients = [open_socket(listener.address) for _ in range(2)]
            clients[0].send(b"x")
            await both.wait()
            await asyncio.wait_for(streams[0].wait_closed(), 5)
            assert isinstance(streams[0].error, ValueError)
            assert (streams[1].state, listener.state) == ("open", "open")
            for client in clients:
                client.close()

    tether.run(main())
    (error,) = reports.take_errors()
    assert str(error) == "planned"


def test_what_one_stream_sets_no_other_sees() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    async def main() -> None:
        seen: dict[int, list[str]] = {0: [], 1: []}
        answered = asyncio.Event()

        def accept(stream: tether.Stream) -> None:
            def take(data: bytes) -> None:
                number = int(data)
                seen[number].append(user.get())
                user.set(f"user {number}")
                if sum(map(len, seen.values())) == 4:
                    answered.set()
                stream.send(data)

            stream.on_data(take)

        async with tether.listen("127.0.0.1:0", accept) as listener:
            clients = [open_socket(listener.address) for _ in range(2)]
            for _ in range(2):
                for number, client in enumerate(clients):
                    client.send(b"%d" % number)
                    assert await tether.to_thread(client.recv, 1) == b"%d" % number
            await answered.wait()
            assert seen == {0: ["nobody", "user 0"], 1: ["nobody", "user 1"]}
            assert user.get() == "nobody"
            for client in clients:
                client.close()

    tether.run(main())


def test_a_closed_listener_refuses_at_once() -> None:
    async def main() -> None:
        listener = tether.listen("127.0.0.1:0", lambda stream: None)
        listener.close()
        assert listener.fileno() == -1
        with pytest.raises(ConnectionRefusedError):
            open_socket(listener.address)
        await listener.wait_closed()

    tether.run(main())


def test_an_address_that_is_taken_raises_local_error() -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", lambda stream: None) as listener:
            with pytest.raises(tether.LocalError) as caught:
                tether.listen(listener.address, lambda stream: None)
            assert caught.value.errno == 98
            assert caught.value.peer == listener.address
            assert isinstance(caught.value, OSError)

    tether.run(main())


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no-such-name.invalid:0"])
def test_an_address_that_is_not_ours_raises_local_error(address: str) -> None:
    async def main() -> None:
        with pytest.raises(tether.LocalError, match=f"^listen on {address} failed: "):
            tether.listen(address, lambda stream: None)

    tether.run(main())


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:x", "::1:80", "unix:", "a:65536"])
def test_what_is_no_address_raises_value_error(address: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"address|port|socket file|brackets|host:port"):
            tether.listen(address, lambda stream: None)

    tether.run(main())


def test_a_stale_socket_file_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(path))
        stale.close()
        async with tether.listen(f"unix:{path}", lambda stream: None) as listener:
            assert listener.address == f"unix:{path}"
            with pytest.raises(tether.LocalError):
                tether.listen(f"unix:{path}", lambda stream: None)
            open_socket(listener.address).close()
        assert not path.exists()

    tether.run(main())


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "file"
        path.write_text("precious")
        with pytest.raises(tether.LocalError):
            tether.listen(f"unix:{path}", lambda stream: None)
        assert path.read_text() == "precious"

    tether.run(main())


OUT_OF_DESCRIPTORS = """
import asyncio, os, resource, socket, sys, time
import tether

async def main():
    told, streams = [], []
    resting = asyncio.Event()
    served = asyncio.Event()

    def rests(error):
        told.append(error)
        resting.set()

    def accept(stream):
        streams.append(stream)
        if len(streams) == 3:
            served.set()

    listener = tether.listen("127.0.0.1:0", accept, on_error=rests)
    host, port = listener.address.split(":")
    clients = [socket.create_connection((host, int(port))) for _ in range(3)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    held = []
    while True:
        try:
            held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
    await asyncio.wait_for(resting.wait(), 5)
    error = told[0]
    assert isinstance(error, tether.LocalError), error
    assert error.errno == 24, error.errno
    # No busy loop while it rests: a second of waiting costs next to nothing.
    before = time.process_time()
    await asyncio.sleep(1)
    assert time.process_time() - before < 0.2, time.process_time() - before
    assert 1 <= len(told) <= 15, len(told)
    assert streams == []
    assert listener.state == "open"
    for descriptor in held:
        os.close(descriptor)
    await asyncio.wait_for(served.wait(), 5)
    for client in clients:
        client.close()
    listener.close()
    await listener.wait_closed()
    print("recovered")

tether.run(main())
"""


def test_without_descriptors_it_rests_tells_and_recovers() -> None:
    # In a process of its own: the limit is the process's.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OUT_OF_DESCRIPTORS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(tether.__file__).parents[1])},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("recovered\n", "", 0)


def test_tree_says_who_owns_what() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        accepted: asyncio.Future[tether.Stream] = loop.create_future()
        async with tether.listen("127.0.0.1:0", accepted.set_result) as listener:
            client = open_socket(listener.address)
            stream = await accepted
            stream.every(3600, print)
            task = stream.spawn(asyncio.sleep(3600), name="sleeper")
            board = tether.Scope(stream, name="board")
            board.own(client)
            client.send(b"hello")
            assert await stream.read() == b"hello"
            stream.send(b"hi")
            lines = loop.tree().splitlines()
            depths = [len(line) - len(line.lstrip()) for line in lines]
            words = [line.split() for line in lines]
            assert words[0][:2] == ["loop", "open"]
            assert words[1][:2] == ["listener", "127.0.0.1:0"]
            assert "accepted=1" in words[1]
            assert words[2][:2] == ["Stream", "open"]
            assert words[2][3] == "s"  # its age in seconds
            assert {stream.peer, "in=5", "out=0", "waiting=2"} <= set(words[2])
            assert "every 3600 s" in lines[3]
            assert "sleeper" in lines[4]
            assert words[5][:2] == ["board", "open"]
            assert "socket.socket" in lines[6]
            assert depths == [0, 2, 4, 6, 6, 6, 8]
            assert stream.tree().splitlines() == [line[4:] for line in lines[2:]]
            stream.close()
            assert "closing" in stream.tree().splitlines()[0]
            await stream.wait_closed()
            assert task.cancelled()
            assert len(loop.tree().splitlines()) == 2

    tether.run(main())
