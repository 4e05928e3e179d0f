"""Clients that others wrote: `websockets` and aiohttp. Compression is offered and declined."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.http.live_server import Serve
from tests.websocket.raw_websocket import Sessions, both_forms

aiohttp = pytest.importorskip("aiohttp")
websockets_client = pytest.importorskip("websockets.asyncio.client")
websockets_errors = pytest.importorskip("websockets.exceptions")

TEXTS = ["", "x", "grüße \U0001f600", "x" * 125, "x" * 126, "ü" * 40_000, "x" * 1_000_000]
BYTES = [b"", b"\0\xff", bytes(range(256)) * 1000]


@pytest.mark.parametrize("path", both_forms())
def test_websockets(serve: Serve, path: str) -> None:
    sessions = Sessions(serve, protocols=("tether.v1",))

    async def talk() -> None:
        url = f"ws://{sessions.server.address}{path}"
        async with websockets_client.connect(
            url, subprotocols=["other", "tether.v1"], proxy=None, max_size=None
        ) as client:
            assert client.subprotocol == "tether.v1"
            assert client.response.headers.get("Sec-WebSocket-Extensions") is None
            for message in [*TEXTS, *BYTES]:
                await client.send(message)
                assert await client.recv() == message
            await client.send(iter(["in ", "", "frag", "ments"]))
            assert await client.recv() == "in fragments"
            await (await client.ping(b"payload"))
            await asyncio.gather(*(client.send(str(number)) for number in range(100)))
            assert [await client.recv() for _ in range(100)] == [str(n) for n in range(100)]
        assert (client.close_code, client.close_reason) == (1000, "")

    asyncio.run(talk())
    assert sessions.wait_closed() is None
    assert (sessions.ws.close_code, sessions.ws.closed_by) == (1000, "peer")


def test_websockets_is_told_why(serve: Serve) -> None:
    sessions = Sessions(serve)

    async def talk() -> None:
        url = f"ws://{sessions.server.address}/ws"
        async with websockets_client.connect(url, proxy=None) as client:
            await client.send("x")
            assert await client.recv() == "x"
            sessions.server.loop.call_soon_threadsafe(
                lambda: sessions.ws.close(code=4321, reason="bye")
            )
            with pytest.raises(websockets_errors.ConnectionClosedError):
                await client.recv()
            assert (client.close_code, client.close_reason) == (4321, "bye")

    asyncio.run(talk())
    sessions.wait_closed()


def test_websockets_refused(serve: Serve) -> None:
    sessions = Sessions(serve)

    async def talk(path: str, **options: object) -> int:
        url = f"ws://{sessions.server.address}{path}"
        with pytest.raises(websockets_errors.InvalidStatus) as caught:
            async with websockets_client.connect(url, proxy=None, **options):
                pass
        return int(caught.value.response.status_code)

    assert asyncio.run(talk("/ws", origin="http://evil")) == 403
    assert asyncio.run(talk("/missing")) == 404


@pytest.mark.parametrize("path", both_forms())
def test_aiohttp(serve: Serve, path: str) -> None:
    sessions = Sessions(serve, protocols=("tether.v1",))

    async def talk() -> None:
        url = f"http://{sessions.server.address}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["tether.v1"], compress=15, max_msg_size=0) as client,
        ):
            assert client.protocol == "tether.v1"
            assert not client.compress
            for text in TEXTS:
                await client.send_str(text)
                assert await client.receive_str() == text
            for data in BYTES:
                await client.send_bytes(data)
                assert await client.receive_bytes() == data
            await client.close(code=4001, message=b"done")
            assert client.close_code == 4001

    asyncio.run(talk())
    sessions.wait_closed()
    assert (sessions.ws.close_code, sessions.ws.close_reason) == (4001, "done")


def test_aiohttp_as_an_http_client(serve: Serve) -> None:
    app = tether.App()

    @app.post("/echo")
    async def echo(request: tether.Request) -> bytes:
        return bytes(request.body)

    server = serve(app)

    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            for body in (b"", b"x" * 100_000):
                async with session.post(f"{server.server.url}/echo", data=body) as reply:
                    assert (reply.status, await reply.read()) == (200, body)

            async def pieces() -> object:
                for _ in range(10):
                    yield b"piece" * 100

            async with session.post(f"{server.server.url}/echo", data=pieces()) as reply:
                assert await reply.read() == b"piece" * 1000
            async with session.post(
                f"{server.server.url}/echo", data=b"expected", expect100=True
            ) as reply:
                assert await reply.read() == b"expected"

    asyncio.run(talk())
