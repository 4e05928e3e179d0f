"""aiohttp's WebSocket client and server, both on the loop."""

from __future__ import annotations

import asyncio
import random
import weakref

import aiohttp
import pytest
from aiohttp import web

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.http_server import serving
from tests.libraries.waiting import settled

LARGE = random.Random(1).randbytes(3_000_000)


CODES = web.AppKey("CODES", list[int | None])


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(max_msg_size=0, compress=request.path == "/compressed")
    await ws.prepare(request)
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    request.app[CODES].append(ws.close_code)
    return ws


def application() -> web.Application:
    app = web.Application()
    app[CODES] = []
    app.router.add_get("/", echo)
    app.router.add_get("/compressed", echo)
    return app


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("compress", [0, 15])
def test_messages(run: Run, certificates: Certificates, tls: bool, compress: int) -> None:
    async def main() -> None:
        app = application()
        async with (
            serving(app, tls=certificates.server if tls else None) as url,
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"{url}/compressed" if compress else url,
                ssl=certificates.client,
                compress=compress,
                max_msg_size=0,
            ) as ws,
        ):
            assert ws.compress == compress
            for text in ("", "grüße", "x" * 200_000):
                await ws.send_str(text)
                assert await ws.receive_str() == text
            await ws.send_bytes(LARGE)
            assert await ws.receive_bytes() == LARGE
            for number in range(1000):
                await ws.send_str(str(number))
            assert [await ws.receive_str() for _ in range(1000)] == [str(n) for n in range(1000)]
            await ws.close(code=4001, message=b"done")
        assert app[CODES] == [4001]

    run(main())


def test_many_sessions_at_once(run: Run) -> None:
    async def main() -> None:
        async with serving(application()) as url, aiohttp.ClientSession() as session:

            async def talk(number: int) -> None:
                async with session.ws_connect(url) as ws:
                    for turn in range(20):
                        await ws.send_str(f"{number} {turn}")
                        assert await ws.receive_str() == f"{number} {turn}"

            await asyncio.gather(*map(talk, range(80)))

    run(main())


def test_a_client_that_does_not_read_holds_the_server_back(run: Run) -> None:
    async def main() -> None:
        sent, total = 0, 800

        async def pour(request: web.Request) -> web.WebSocketResponse:
            nonlocal sent
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            for _ in range(total):
                await ws.send_bytes(bytes(65536))
                sent += 1
            await ws.close()
            return ws

        app = web.Application()
        app.router.add_get("/", pour)
        async with (
            serving(app) as url,
            aiohttp.ClientSession() as session,
            session.ws_connect(url) as ws,
        ):
            assert await settled(lambda: sent) < total / 2
            received = [len(message.data) async for message in ws]
            assert received == [65536] * total

    run(main())


def test_a_silent_peer_is_given_up(run: Run) -> None:
    async def main() -> None:
        closed = asyncio.get_running_loop().create_future()

        async def listen(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse(heartbeat=0.1)
            await ws.prepare(request)
            message = await ws.receive()
            closed.set_result((message.type, ws.close_code))
            return ws

        app = web.Application()
        app.router.add_get("/", listen)
        async with (
            serving(app) as url,
            aiohttp.ClientSession() as session,
            session.ws_connect(url, autoping=False),  # it answers no ping
        ):
            assert await closed == (aiohttp.WSMsgType.ERROR, 1006)

    run(main())


def test_a_server_that_stops_says_goodbye(run: Run) -> None:
    async def main() -> None:
        sessions: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()

        async def listen(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            sessions.add(ws)
            await ws.receive()
            return ws

        async def say_goodbye(app: web.Application) -> None:
            for ws in list(sessions):
                await ws.close(code=aiohttp.WSCloseCode.GOING_AWAY, message=b"bye")

        app = web.Application()
        app.router.add_get("/", listen)
        app.on_shutdown.append(say_goodbye)
        async with aiohttp.ClientSession() as session:
            async with serving(app) as url:
                ws = await session.ws_connect(url)
                reading = asyncio.create_task(ws.receive())
            message = await reading
            assert (message.data, message.extra) == (1001, "bye")

    run(main())
