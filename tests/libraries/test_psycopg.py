"""psycopg, which waits for a descriptor of its own (add_reader), against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.servers import HOST, Postgres

ROWS = 100_000
PADDING = "x" * 60


def address(server: Postgres, **more: str) -> str:
    where = {"host": HOST, "port": str(server.port), "user": "postgres", "sslmode": "disable"}
    return psycopg.conninfo.make_conninfo(**(where | more))


async def connect(server: Postgres, **more: str) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(address(server, **more), autocommit=True)


async def value(connection: psycopg.AsyncConnection[Any], query: Any, *arguments: object) -> Any:
    row = await (await connection.execute(query, arguments)).fetchone()
    assert row is not None
    return row[0]


async def talk(connection: psycopg.AsyncConnection[Any]) -> None:
    assert await value(connection, "SELECT %s::int + 1", 41) == 42
    assert await value(connection, "SELECT length(%s)", "ü" * 2_000_000) == 2_000_000
    assert await value(connection, "SELECT repeat('x', 3000000)") == "x" * 3_000_000
    with pytest.raises(psycopg.errors.DivisionByZero):
        await connection.execute("SELECT 1 / 0")
    async with connection.transaction(), connection.cursor("named") as cursor:
        cursor.itersize = 7
        await cursor.execute("SELECT generate_series(1, 100)")
        assert sum([row[0] async for row in cursor]) == 5050


def test_queries(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async with await connect(postgres) as connection:
            await talk(connection)

    run(main())


def test_over_a_unix_socket(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async with await connect(postgres, host=str(postgres.folder)) as connection:
            await talk(connection)

    run(main())


def test_over_tls(run: Run, postgres: Postgres, certificates: Certificates) -> None:
    async def main() -> None:
        async with await connect(
            postgres,
            host="localhost",
            sslmode="verify-full",
            sslrootcert=str(certificates.authority),
        ) as connection:
            assert connection.pgconn.ssl_in_use
            await talk(connection)

    run(main())


def test_a_pipeline(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async with await connect(postgres) as connection:
            await connection.execute("CREATE TEMPORARY TABLE numbers (n int)")
            async with connection.pipeline(), connection.cursor() as cursor:
                for number in range(1000):
                    await cursor.execute("INSERT INTO numbers VALUES (%s)", [number])
            assert await value(connection, "SELECT sum(n) FROM numbers") == 499_500

    run(main())


def test_copy_in_and_out(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async with await connect(postgres) as connection, connection.cursor() as cursor:
            await cursor.execute("CREATE TEMPORARY TABLE copied (id int, word text)")
            async with cursor.copy("COPY copied FROM STDIN") as copy:
                for start in range(0, ROWS, 1000):
                    lines = (f"{number}\t{PADDING}\n" for number in range(start, start + 1000))
                    await copy.write("".join(lines))
            assert await value(connection, "SELECT count(DISTINCT id) FROM copied") == ROWS
            async with cursor.copy("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT") as copy:
                lines_out = b"".join([bytes(data) async for data in copy]).splitlines()
            assert lines_out == [b"%d\t%s" % (n, PADDING.encode()) for n in range(ROWS)]

    run(main())


def test_listen_and_notify(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async with await connect(postgres) as listener, await connect(postgres) as speaker:
            await listener.execute("LISTEN news")

            async def listen() -> list[str]:
                return [note.payload async for note in listener.notifies(stop_after=100)]

            listening = asyncio.create_task(listen())
            for number in range(100):
                await speaker.execute("SELECT pg_notify('news', %s)", [str(number)])
            assert await listening == [str(number) for number in range(100)]

    run(main())


def test_a_cancelled_query_ends_on_the_server_too(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async with await connect(postgres) as connection, await connect(postgres) as other:
            asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            query = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
            while await value(other, asleep) != 1:
                await asyncio.sleep(0)
            query.cancel()
            with pytest.raises(asyncio.CancelledError):
                await query
            assert await value(connection, "SELECT 1") == 1
            assert await value(other, asleep) == 0

            query = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
            while await value(other, asleep) != 1:
                await asyncio.sleep(0)
            await connection.cancel_safe()
            with pytest.raises(psycopg.errors.QueryCanceled):
                await query
            assert await value(connection, "SELECT 1") == 1

    run(main())


def test_a_pool_shared_by_many(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async def square(number: int) -> Any:
            async with pool.connection() as connection:
                return await value(connection, "SELECT %s::int * %s::int", number, number)

        async with AsyncConnectionPool(
            address(postgres), min_size=2, max_size=8, open=False
        ) as pool:
            await pool.wait()
            squares = await asyncio.gather(*(square(number) for number in range(300)))
            assert squares == [number * number for number in range(300)]

    run(main())


def test_the_server_is_killed_and_comes_back(run: Run, postgres: Postgres) -> None:
    async def main() -> None:
        async with await connect(postgres) as busy, await connect(postgres) as idle:
            query = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
            listening = asyncio.create_task(anext(idle.notifies()))
            await asyncio.sleep(0)
            await asyncio.to_thread(postgres.kill)
            for task in (query, listening):
                with pytest.raises(psycopg.OperationalError):
                    await task
            assert busy.closed
            with pytest.raises(psycopg.OperationalError):
                await idle.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError, match="refused"):
                await connect(postgres)
        await asyncio.to_thread(postgres.start)
        async with await connect(postgres) as connection:
            assert await value(connection, "SELECT 1") == 1

    run(main())
