"""asyncpg, whose protocol lives in asyncio's transports, against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import datetime
import io
from collections.abc import AsyncIterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.servers import HOST, Postgres
from tests.libraries.waiting import until

ROWS = 60_000
PADDING = "x" * 60


async def connect(server: Postgres, **options: Any) -> Any:
    where = {"host": HOST, "port": server.port, "user": "postgres", "ssl": "disable"}
    return await asyncpg.connect(**(where | options))


async def close(*connections: Any) -> None:
    # close() answers the server's end of file in a later pass.
    for connection in connections:
        await connection.close()
    await asyncio.sleep(0)


async def talk(connection: Any) -> None:
    day = datetime.date(2001, 2, 3)
    assert await connection.fetchval("SELECT $1::date + 1", day) == datetime.date(2001, 2, 4)
    assert await connection.fetchval("SELECT length($1)", "ü" * 2_000_000) == 2_000_000
    assert await connection.fetchval("SELECT repeat('x', 3000000)") == "x" * 3_000_000
    async with connection.transaction():
        total = 0
        async for row in connection.cursor("SELECT generate_series(1, 1000) AS n", prefetch=7):
            total += row["n"]
        assert total == 500_500
    with pytest.raises(asyncpg.DivisionByZeroError):
        await connection.fetchval("SELECT 1 / 0")
    assert await connection.fetchval("SELECT 1") == 1


def test_queries(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        connection = await connect(postgres)
        await talk(connection)
        await close(connection)

    run(main())


def test_over_a_unix_socket(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        connection = await connect(postgres, host=str(postgres.folder))
        assert await connection.fetchval("SELECT inet_server_addr()") is None
        await talk(connection)
        await close(connection)

    run(main())


def test_over_tls(run: Run, postgres: Postgres, certificates: Certificates) -> None:
    async def main() -> None:
        connection = await connect(postgres, host="localhost", ssl=certificates.client)
        in_use = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert await connection.fetchval(in_use) is True
        await talk(connection)
        await close(connection)

    run(main())


def test_copy_in_and_out(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        connection = await connect(postgres)
        await connection.execute("CREATE TEMPORARY TABLE copied (id int, word text)")

        async def records() -> AsyncIterator[tuple[int, str]]:
            for number in range(ROWS):
                yield number, PADDING

        done = await connection.copy_records_to_table("copied", records=records())
        assert done == f"COPY {ROWS}"
        assert await connection.fetchval("SELECT count(DISTINCT id) FROM copied") == ROWS

        out = io.BytesIO()
        await connection.copy_from_query("SELECT * FROM copied ORDER BY id", output=out)
        lines = out.getvalue().splitlines()
        assert lines == [b"%d\t%s" % (n, PADDING.encode()) for n in range(ROWS)]
        await close(connection)

    run(main())


def test_copying_out_waits_for_a_slow_taker(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        connection = await connect(postgres)
        taken = 0

        async def take(data: bytes) -> None:
            nonlocal taken
            taken += len(data)
            await asyncio.sleep(0)

        query = f"SELECT repeat('x', 99999) FROM generate_series(1, {100})"
        await connection.copy_from_query(query, output=take)
        assert taken == 100 * 100_000
        await close(connection)

    run(main())


def test_listen_and_notify(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        listener, speaker = await connect(postgres), await connect(postgres)
        heard: list[str] = []
        await listener.add_listener("news", lambda *event: heard.append(event[-1]))
        for number in range(100):
            await speaker.execute("SELECT pg_notify('news', $1)", str(number))
        await until(lambda: len(heard) == 100)
        assert heard == [str(number) for number in range(100)]
        await close(listener, speaker)

    run(main())


def test_a_cancelled_query_ends_on_the_server_too(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        connection, other = await connect(postgres), await connect(postgres)
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        query = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        while await other.fetchval(asleep) != 1:
            await asyncio.sleep(0)
        query.cancel()
        with pytest.raises(asyncio.CancelledError):
            await query
        assert await connection.fetchval("SELECT 1") == 1
        assert await other.fetchval(asleep) == 0
        with pytest.raises(TimeoutError):
            await connection.execute("SELECT pg_sleep(60)", timeout=0.02)
        assert await connection.fetchval("SELECT 1") == 1
        await close(connection, other)

    run(main())


def test_a_pool_shared_by_many(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        where = {"host": HOST, "port": postgres.port, "user": "postgres", "ssl": "disable"}
        async with asyncpg.create_pool(**where, min_size=2, max_size=8) as pool:
            squares = await asyncio.gather(
                *(pool.fetchval("SELECT $1::int * $1::int", n) for n in range(300))
            )
            assert squares == [n * n for n in range(300)]
            assert 2 <= pool.get_size() <= 8
        await asyncio.sleep(0)

    run(main())


def test_the_server_is_killed_and_comes_back(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        where = {"host": HOST, "port": postgres.port, "user": "postgres", "ssl": "disable"}
        async with asyncpg.create_pool(**where, min_size=0, max_size=3) as pool:
            async with pool.acquire() as busy, pool.acquire() as idle:
                lost = asyncio.Event()
                idle.add_termination_listener(lambda _: lost.set())
                query = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
                await asyncio.sleep(0)
                await asyncio.to_thread(postgres.kill)
                with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
                    await query
                await lost.wait()
            with pytest.raises(ConnectionRefusedError):
                await connect(postgres)
            await asyncio.to_thread(postgres.start)
            answers = await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(9)))
            assert answers == [1] * 9
        await asyncio.sleep(0)

    run(main())
