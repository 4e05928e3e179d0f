"""aiohttp's client and server, both on the loop."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.http_server import serving
from tests.libraries.servers import free_port
from tests.libraries.waiting import settled, until

PAYLOAD = random.Random(1).randbytes(4_000_000)
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()


async def digest(request: web.Request) -> web.Response:
    return web.json_response(
        {"digest": hashlib.sha256(await request.read()).hexdigest(), "scheme": request.scheme}
    )


async def payload(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for start in range(0, len(PAYLOAD), 10_000):
        await response.write(PAYLOAD[start : start + 10_000])
    return response


def application() -> web.Application:
    app = web.Application(client_max_size=2 * len(PAYLOAD))
    app.router.add_post("/digest", digest)
    app.router.add_get("/payload", payload)
    return app


async def talk(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(f"{url}/digest", data=io.BytesIO(PAYLOAD)) as reply:
        assert (reply.status, (await reply.json())["digest"]) == (200, DIGEST)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(PAYLOAD), 10_000):
            yield PAYLOAD[start : start + 10_000]

    async with session.post(f"{url}/digest", data=pieces()) as reply:
        assert (await reply.json())["digest"] == DIGEST
    async with session.get(f"{url}/payload") as reply:
        found = hashlib.sha256()
        async for data in reply.content.iter_any():
            found.update(data)
    assert found.hexdigest() == DIGEST


def test_requests_and_replies(run: Run) -> None:
    async def main() -> None:
        async with serving(application()) as url, aiohttp.ClientSession() as session:
            await talk(session, url)

    run(main())


def test_over_a_unix_socket(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        async with (
            serving(application(), path=path) as url,
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
        ):
            await talk(session, url)

    run(main())


def test_over_tls(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        connector = aiohttp.TCPConnector(ssl=certificates.client)
        async with (
            serving(application(), tls=certificates.server) as url,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            await talk(session, url)

    run(main())


def test_through_a_proxy_that_tunnels_tls(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        tunnels = 0

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal tunnels
            tunnels += 1
            head = await reader.readuntil(b"\r\n\r\n")
            host, port = head.split()[1].decode().split(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))
            await asyncio.gather(writer.wait_closed(), there[1].wait_closed())

        proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        where = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with (
            serving(application(), tls=certificates.server) as url,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=certificates.client), proxy=where
            ) as session,
        ):
            await talk(session, url)
        assert tunnels > 0
        proxy.close()
        await proxy.wait_closed()

    run(main())


def test_certificates_that_will_not_do(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        async with (
            serving(application(), tls=certificates.server) as url,
            aiohttp.ClientSession() as session,
        ):
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.post(f"{url}/digest", ssl=ssl.create_default_context())
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.post(
                    f"{url}/digest", ssl=certificates.client, server_hostname="another.example"
                )

    run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_files_and_ranges_of_them(
    run: Run, tmp_path: Path, certificates: Certificates, tls: bool
) -> None:
    async def main() -> None:
        path = tmp_path / "file"
        path.write_bytes(PAYLOAD)
        app = web.Application()
        app.router.add_static("/", tmp_path)
        async with (
            serving(app, tls=certificates.server if tls else None) as url,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=certificates.client)
            ) as session,
        ):
            async with session.get(f"{url}/file") as reply:
                assert await reply.read() == PAYLOAD
            some = {"Range": "bytes=1000000-2999999"}
            async with session.get(f"{url}/file", headers=some) as reply:
                assert (reply.status, await reply.read()) == (206, PAYLOAD[1_000_000:3_000_000])

    run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_does_not_read_holds_an_upload_back(
    run: Run, certificates: Certificates, tls: bool
) -> None:
    async def main() -> None:
        sent, total = 0, 800
        may_read = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(total):
                yield bytes(65536)
                sent += 1

        async def take(request: web.Request) -> web.Response:
            await may_read.wait()
            received = 0
            async for data in request.content.iter_any():
                received += len(data)
            return web.json_response(received)

        app = web.Application()
        app.router.add_post("/", take)
        async with (
            serving(app, tls=certificates.server if tls else None) as url,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=certificates.client)
            ) as session,
            asyncio.TaskGroup() as tasks,
        ):
            posting = tasks.create_task(session.post(url, data=pieces()))
            await until(lambda: sent)
            assert await settled(lambda: sent) < total / 2
            may_read.set()
            async with await posting as reply:
                assert await reply.json() == total * 65536

    run(main())


def test_many_connections_at_once(run: Run) -> None:
    count = 300

    async def main() -> None:
        all_there = asyncio.Barrier(count)

        async def wait(request: web.Request) -> web.Response:
            await all_there.wait()
            return web.Response(text=request.query["n"])

        app = web.Application()
        app.router.add_get("/", wait)
        async with (
            serving(app, access_log=None) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):

            async def get(number: int) -> str:
                async with session.get(url, params={"n": number}) as reply:
                    return await reply.text()

            texts = await asyncio.gather(*map(get, range(count)))
            assert texts == [str(number) for number in range(count)]

    run(main())


def test_the_server_stops_when_its_requests_are_done(run: Run) -> None:
    async def main() -> None:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def slow(request: web.Request) -> web.Response:
            arrived.set()
            await go_on.wait()
            return web.Response(text="done")

        app = web.Application()
        app.router.add_get("/", slow)
        app.router.add_post("/digest", digest)
        runner = web.AppRunner(app, shutdown_timeout=10)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/digest"):
                pass  # a connection that is kept, and idle from now on
            pending = asyncio.create_task(session.get(url))
            await arrived.wait()
            async with session.post(f"{url}/digest"):
                pass
            stopping = asyncio.create_task(runner.cleanup())
            async with aiohttp.ClientSession() as other:
                while True:  # until it does not listen any more
                    try:
                        async with other.post(f"{url}/digest"):
                            pass
                    except aiohttp.ClientError:
                        break
            assert not stopping.done()
            go_on.set()
            async with await pending as reply:
                assert await reply.text() == "done"
            await stopping

    run(main())


def test_a_client_that_leaves_cancels_its_handler(run: Run) -> None:
    async def main() -> None:
        arrived, cancelled = asyncio.Event(), asyncio.Event()

        async def wait(request: web.Request) -> web.Response:
            arrived.set()
            try:
                return await asyncio.Future()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        app = web.Application()
        app.router.add_get("/", wait)
        async with (
            serving(app, handler_cancellation=True) as url,
            aiohttp.ClientSession() as session,
        ):
            getting = asyncio.create_task(session.get(url))
            await arrived.wait()
            getting.cancel()
            await cancelled.wait()
            with pytest.raises(asyncio.CancelledError):
                await getting

            arrived.clear()
            cancelled.clear()
            with pytest.raises(aiohttp.SocketTimeoutError):
                await session.get(url, timeout=aiohttp.ClientTimeout(sock_read=0.05))
            await cancelled.wait()
            with pytest.raises(TimeoutError):
                await session.get(url, timeout=aiohttp.ClientTimeout(total=0.05))

    run(main())


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get(f"http://127.0.0.1:{free_port()}")
        assert caught.value.os_error.errno == errno.ECONNREFUSED

    run(main())
