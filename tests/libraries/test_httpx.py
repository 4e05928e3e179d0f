"""httpx's asynchronous client, against aiohttp's server and against servers that misbehave."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.http_server import serving
from tests.libraries.servers import free_port
from tests.libraries.waiting import settled

PIECES = [random.Random(n).randbytes(100_000) for n in range(40)]
DIGEST = hashlib.sha256(b"".join(PIECES)).hexdigest()


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


async def digest(request: web.Request) -> web.Response:
    found = hashlib.sha256()
    async for data in request.content.iter_any():
        found.update(data)
    return web.json_response({"digest": found.hexdigest(), "scheme": request.scheme})


async def all_pieces(request: web.Request) -> web.Response:
    return web.Response(body=pieces())


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/", digest)
    app.router.add_post("/", digest)
    app.router.add_get("/pieces", all_pieces)
    return app


async def talk(client: httpx.AsyncClient) -> None:
    reply = await client.get("/", params={"a": "ü"})
    assert (reply.status_code, reply.json()["digest"]) == (200, hashlib.sha256().hexdigest())
    reply = await client.post("/", content=b"".join(PIECES))
    assert reply.json()["digest"] == DIGEST
    reply = await client.post("/", content=pieces())
    assert reply.json()["digest"] == DIGEST
    async with client.stream("GET", "/pieces") as streamed:
        found = hashlib.sha256()
        async for data in streamed.aiter_bytes():
            found.update(data)
    assert found.hexdigest() == DIGEST


def test_get_and_streaming_post(run: Run) -> None:
    async def main() -> None:
        async with (
            serving(application()) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            await talk(client)

    run(main())


def test_over_a_unix_socket(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        async with (
            serving(application(), path=path) as url,
            httpx.AsyncClient(base_url=url, transport=httpx.AsyncHTTPTransport(uds=path)) as client,
        ):
            await talk(client)

    run(main())


def test_over_tls(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        async with (
            serving(application(), tls=certificates.server) as url,
            httpx.AsyncClient(base_url=url, verify=certificates.client, trust_env=False) as client,
        ):
            assert (await client.get("/")).json()["scheme"] == "https"
            await talk(client)

    run(main())


def test_a_certificate_that_nobody_vouches_for(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        async with (
            serving(application(), tls=certificates.server) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                await client.get("/")

    run(main())


def test_many_requests_share_a_few_connections(run: Run) -> None:
    async def main() -> None:
        peers = set()

        async def peer(request: web.Request) -> web.Response:
            assert request.transport is not None
            peers.add(request.transport.get_extra_info("peername"))
            return web.Response(text=request.query["n"])

        app = web.Application()
        app.router.add_get("/", peer)
        async with (
            serving(app) as url,
            httpx.AsyncClient(
                base_url=url, limits=httpx.Limits(max_connections=5), trust_env=False
            ) as client,
        ):
            replies = await asyncio.gather(
                *(client.get("/", params={"n": number}) for number in range(100))
            )
            assert [reply.text for reply in replies] == [str(number) for number in range(100)]
            assert len(peers) == 5

    run(main())


def test_who_reads_slowly_holds_the_sender_back(run: Run) -> None:
    async def main() -> None:
        sent, total = 0, 1000

        async def produce(request: web.Request) -> web.StreamResponse:
            nonlocal sent
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(total):
                await response.write(bytes(65536))
                sent += 1
            return response

        app = web.Application()
        app.router.add_get("/", produce)
        async with (
            serving(app) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
            client.stream("GET", "/") as reply,
        ):
            assert await settled(lambda: sent) < total / 2
            received = 0
            async for data in reply.aiter_raw():
                received += len(data)
            assert received == total * 65536

    run(main())


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError) as caught:
                await client.get(f"http://127.0.0.1:{free_port()}/")
        cause: BaseException | None = caught.value
        while cause is not None and not isinstance(cause, ConnectionRefusedError):
            cause = cause.__cause__ or cause.__context__
        assert cause is not None
        assert cause.errno == errno.ECONNREFUSED

    run(main())


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def misbehaving(serve: Serve) -> AsyncIterator[str]:
    """A server for one connection, which it handles as `serve` says until the test ends."""
    reached: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *pair: reached.put_nowait(pair), "127.0.0.1", 0)

    async def handle() -> None:
        reader, writer = await reached.get()
        await serve(reader, writer)

    handling = asyncio.create_task(handle())
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        await handling
        server.close()
        await server.wait_closed()


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def test_a_reply_that_breaks_off(run: Run) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await leave(writer)

    async def main() -> None:
        async with misbehaving(serve) as url, httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(url)

    run(main())


def test_a_reset_in_the_middle(run: Run) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await leave(writer)

    async def main() -> None:
        async with misbehaving(serve) as url, httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ReadError):
                await client.get(url)

    run(main())


def test_timeouts(run: Run) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()  # it accepts, but neither reads nor writes
        writer.transport.abort()

    async def main() -> None:
        with pytest.raises(httpx.ReadTimeout):
            async with httpx.AsyncClient(trust_env=False) as client, misbehaving(serve) as url:
                try:
                    await client.get(url, timeout=httpx.Timeout(5, read=0.05))
                finally:
                    over.set()
        over.clear()
        with pytest.raises(httpx.WriteTimeout):
            async with httpx.AsyncClient(trust_env=False) as client, misbehaving(serve) as url:
                try:
                    content = bytes(50_000_000)
                    await client.post(url, content=content, timeout=httpx.Timeout(5, write=0.1))
                finally:
                    over.set()

    run(main())


def test_a_connect_that_nobody_answers(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
            listening.bind(("127.0.0.1", 0))
            listening.listen(0)
            for filler in (first, second):  # no room is left for who comes next
                filler.setblocking(False)
                filler.connect_ex(listening.getsockname())
            async with httpx.AsyncClient(trust_env=False) as client:
                url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
                with pytest.raises(httpx.ConnectTimeout):
                    await client.get(url, timeout=httpx.Timeout(5, connect=0.05))

    run(main())


def test_no_connection_is_free_in_time(run: Run) -> None:
    async def main() -> None:
        arrived, over = asyncio.Event(), asyncio.Event()

        async def wait(request: web.Request) -> web.Response:
            arrived.set()
            await over.wait()
            return web.Response()

        app = web.Application()
        app.router.add_get("/", wait)
        async with (
            serving(app) as url,
            httpx.AsyncClient(
                base_url=url, limits=httpx.Limits(max_connections=1), trust_env=False
            ) as client,
        ):
            first = asyncio.create_task(client.get("/"))
            await arrived.wait()
            with pytest.raises(httpx.PoolTimeout):
                await client.get("/", timeout=httpx.Timeout(5, pool=0.05))
            over.set()
            assert (await first).status_code == 200

    run(main())
