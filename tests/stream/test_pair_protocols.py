"""Protocols run on a pair as on a socket: HTTP, WebSocket, TLS, and a listener's callback."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.certificates import NAME, client_context, server_context
from tests.websocket.raw_websocket import TEXT, close_frame, frame, handshake
from tether.app.server import serving


def application() -> tether.App:
    app = tether.App()

    @app.get("/")
    async def root(request: tether.Request) -> str:
        return "x" * 100_000

    @app.websocket("/ws")
    async def echo(ws: tether.WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    return app


def test_http_over_a_pair() -> None:
    async def main() -> None:
        async with serving(application(), "127.0.0.1:0") as server:
            client, _ = tether.pair(listener=server)
            for _ in range(2):
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                head = b""
                while b"\r\n\r\n" not in head:
                    head += await client.readexactly(1)
                assert head.startswith(b"HTTP/1.1 200 ")
                assert await client.readexactly(100_000) == b"x" * 100_000
            assert (server.accepted_count, server.connections) == (1, 1)
            client.close()

    tether.run(main())


def test_websocket_over_a_pair() -> None:
    async def main() -> None:
        async with serving(application(), "127.0.0.1:0") as server:
            client, _ = tether.pair(listener=server)
            client.send(handshake() + frame(TEXT, b"hello"))
            head = b""
            while b"\r\n\r\n" not in head:
                head += await client.readexactly(1)
            assert head.startswith(b"HTTP/1.1 101 ")
            assert await client.readexactly(7) == frame(TEXT, b"hello", mask=None)
            large = b"y" * 200_000
            client.send(frame(TEXT, large))
            answer = frame(TEXT, large, mask=None)
            assert await client.readexactly(len(answer)) == answer
            client.send(close_frame(1000))
            assert await client.readexactly(4) == b"\x88\x02\x03\xe8"
            assert await client.read() == b""
            client.close()

    tether.run(main())


def test_the_server_ends_what_it_accepted() -> None:
    async def main() -> None:
        async with serving(application(), "127.0.0.1:0") as server:
            client, _ = tether.pair(listener=server)
        assert await client.read() == b""
        client.close()
        with pytest.raises(tether.Closed):
            tether.pair(listener=server)

    tether.run(main())


def test_a_listener_hands_it_to_its_callback() -> None:
    async def main() -> None:
        async def echo(stream: tether.Stream) -> None:
            while data := await stream.read():
                await stream.send(data)

        async with tether.listen("127.0.0.1:0", echo) as listener:
            client, _ = tether.pair(listener=listener)
            client.send(b"hello")
            assert await client.readexactly(5) == b"hello"
            client.close()

    tether.run(main())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("depth", [1, 2])
def test_tls_over_a_pair(depth: int) -> None:
    async def main() -> None:
        near, far = tether.pair()
        for _ in range(depth):
            await asyncio.gather(
                near.start_tls(client_context(), server_hostname=NAME),
                far.start_tls(server_context(), server_side=True),
            )
        message = bytes(range(256)) * 2000
        for sender, receiver in ((near, far), (far, near)):
            assert sender.send(message)
            assert await receiver.readexactly(len(message)) == message
        near.close()
        assert await far.read() == b""
        far.close()
        await asyncio.wait_for(near.wait_closed(), 2)
        assert (near.error, far.error) == (None, None)

    tether.run(main())


@pytest.mark.usefixtures("way")
def test_tls_that_is_cut_off_is_told() -> None:
    async def main() -> None:
        near, far = tether.pair()
        shaking = asyncio.gather(
            near.start_tls(client_context(), server_hostname=NAME),
            far.start_tls(server_context(), server_side=True),
        )
        await shaking
        near.abort()
        with pytest.raises(tether.ConnectionClosed):
            await far.read()

    tether.run(main())
