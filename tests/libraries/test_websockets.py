"""The websockets library's client and server, both on the loop."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve, unix_serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.typing import Origin

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.servers import free_port
from tests.libraries.waiting import settled, until

LARGE = random.Random(1).randbytes(3_000_000)


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


def port_of(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages(run: Run, certificates: Certificates, tls: bool, compression: str | None) -> None:
    async def main() -> None:
        async with serve(
            echo,
            "127.0.0.1",
            0,
            ssl=certificates.server if tls else None,
            compression=compression,
            max_size=None,
        ) as server:
            async with connect(
                f"{'wss' if tls else 'ws'}://localhost:{port_of(server)}",
                ssl=certificates.client if tls else None,
                compression=compression,
                max_size=None,
                proxy=None,
            ) as ws:
                for message in ("", "grüße", "x" * 200_000, LARGE):
                    await ws.send(message)
                    assert await ws.recv() == message

                def fragments() -> Iterator[str]:
                    yield from ("in ", "", "fragments")

                await ws.send(fragments())
                assert await ws.recv() == "in fragments"
                await (await ws.ping(b"payload"))
                for number in range(1000):
                    await ws.send(str(number))
                assert [await ws.recv() for _ in range(1000)] == [str(n) for n in range(1000)]
            assert (ws.close_code, ws.close_reason) == (1000, "")

    run(main())


def test_over_a_unix_socket(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        async with unix_serve(echo, path), unix_connect(path) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"

    run(main())


def test_a_broadcast_to_many(run: Run) -> None:
    count = 100

    async def main() -> None:
        async def stay(ws: ServerConnection) -> None:
            await ws.wait_closed()

        async with serve(stay, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{port_of(server)}"
            clients = await asyncio.gather(*(connect(url, proxy=None) for _ in range(count)))
            await until(lambda: len(server.connections) == count)
            for number in range(20):
                broadcast(server.connections, str(number))
            for ws in clients:
                assert [await ws.recv() for _ in range(20)] == [str(n) for n in range(20)]
            await asyncio.gather(*(ws.close() for ws in clients))

    run(main())


def test_a_client_that_does_not_read_holds_the_server_back(run: Run) -> None:
    async def main() -> None:
        sent, total = 0, 800

        async def pour(ws: ServerConnection) -> None:
            nonlocal sent
            for _ in range(total):
                await ws.send(bytes(65536))
                sent += 1

        async with serve(pour, "127.0.0.1", 0, compression=None) as server:
            url = f"ws://127.0.0.1:{port_of(server)}"
            async with connect(url, compression=None, proxy=None) as ws:
                assert await settled(lambda: sent) < total / 2
                assert [len(message) async for message in ws] == [65536] * total

    run(main())


def test_each_side_is_told_why_the_other_left(run: Run) -> None:
    async def main() -> None:
        reasons: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

        async def handle(ws: ServerConnection) -> None:
            command = await ws.recv()
            if command == "close":
                await ws.close(4000, "as you wish")
            if command == "fail":
                ws.transport.abort()
            if command == "leave":
                await ws.send("go")
            await ws.wait_closed()
            reasons.put_nowait((ws.close_code, ws.close_reason))

        async with serve(handle, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{port_of(server)}"
            async with connect(url, proxy=None) as ws:
                await ws.send("close")
                with pytest.raises(ConnectionClosedError, match="as you wish"):
                    await ws.recv()
            assert await reasons.get() == (4000, "as you wish")

            async with connect(url, proxy=None) as ws:
                await ws.send("fail")
                with pytest.raises(ConnectionClosedError, match="no close frame"):
                    await ws.recv()
            assert await reasons.get() == (1006, "")

            async with connect(url, proxy=None) as ws:
                await ws.send("wait")
                await ws.close(reason="enough")
                with pytest.raises(ConnectionClosedOK):
                    await ws.send("too late")
            assert await reasons.get() == (1000, "enough")

            async with connect(url, proxy=None) as ws:
                await ws.send("leave")
                assert await ws.recv() == "go"
                ws.transport.abort()
            assert await reasons.get() == (1006, "")

    run(main())


def test_a_silent_peer_is_given_up(run: Run) -> None:
    async def main() -> None:
        async with (
            serve(echo, "127.0.0.1", 0) as server,
            connect(
                f"ws://127.0.0.1:{port_of(server)}",
                ping_interval=0.05,
                ping_timeout=0.05,
                close_timeout=0.05,
                proxy=None,
            ) as ws,
        ):
            (peer,) = server.connections
            peer.transport.pause_reading()
            with pytest.raises(ConnectionClosedError, match="keepalive ping timeout"):
                await ws.recv()
            peer.transport.abort()

    run(main())


def test_a_server_that_stops_says_goodbye(run: Run) -> None:
    async def main() -> None:
        server = await serve(echo, "127.0.0.1", 0)
        async with connect(f"ws://127.0.0.1:{port_of(server)}", proxy=None) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            server.close()
            with pytest.raises(ConnectionClosedOK) as caught:
                await ws.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        await server.wait_closed()

    run(main())


def test_connections_that_fail(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect(f"ws://127.0.0.1:{free_port()}", proxy=None)
        async with serve(echo, "127.0.0.1", 0, origins=[Origin("https://here")]) as server:
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{port_of(server)}", proxy=None)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
            await connect(url, open_timeout=0.05, proxy=None)

    run(main())
