"""redis-py's asyncio client against a real Redis."""

from __future__ import annotations

import asyncio
import random

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.libraries import servers
from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.servers import HOST

VALUE = random.Random(1).randbytes(3_000_000)


def client_of(server: servers.Redis, **options: object) -> Redis:
    return Redis(host=HOST, port=server.port, **options)  # type: ignore[arg-type]


async def take(client: Redis) -> list[object]:
    taken = await client.blpop(["queue"], timeout=10)
    assert taken is not None
    return list(taken)


async def talk(client: Redis) -> None:
    await client.flushall()
    assert await client.set("large", VALUE)
    assert await client.get("large") == VALUE
    assert await client.incr("count", 41) == 41
    async with client.pipeline(transaction=True) as pipeline:
        for _ in range(1000):
            pipeline.incr("count")
        pipeline.get("large")
        results = await pipeline.execute()
    assert results == [*range(42, 1042), VALUE]


def test_values_and_pipelines(run: Run, redis_server: servers.Redis) -> None:
    async def main() -> None:
        async with client_of(redis_server) as client:
            await talk(client)

    run(main())


def test_over_a_unix_socket(run: Run, redis_server: servers.Redis) -> None:
    async def main() -> None:
        async with Redis(unix_socket_path=redis_server.path) as client:
            await talk(client)

    run(main())


def test_over_tls(run: Run, redis_server: servers.Redis, certificates: Certificates) -> None:
    async def main() -> None:
        async with Redis(
            host="localhost",
            port=redis_server.tls_port,
            ssl=True,
            ssl_ca_certs=str(certificates.authority),
        ) as client:
            await talk(client)

    run(main())


def test_many_at_once_share_a_small_pool(run: Run, redis_server: servers.Redis) -> None:
    async def main() -> None:
        pool = BlockingConnectionPool(host=HOST, port=redis_server.port, max_connections=10)
        async with Redis.from_pool(pool) as client:
            await client.flushall()
            counts = await asyncio.gather(*(client.incr("count") for _ in range(300)))
            assert sorted(counts) == list(range(1, 301))
            assert len(await client.client_list()) <= 10

    run(main())


def test_publish_and_subscribe(run: Run, redis_server: servers.Redis) -> None:
    async def main() -> None:
        async with client_of(redis_server) as client, client.pubsub() as subscriber:
            await subscriber.subscribe("news")
            await subscriber.psubscribe("weather.*")
            assert [(await anext(subscriber.listen()))["type"] for _ in range(2)] == [
                "subscribe",
                "psubscribe",
            ]
            for number in range(200):
                assert await client.publish("news", number) == 1
            assert await client.publish("weather.oslo", VALUE) == 1
            got = [(await anext(subscriber.listen()))["data"] for _ in range(201)]
            assert got == [b"%d" % number for number in range(200)] + [VALUE]
            await subscriber.unsubscribe()
            assert (await anext(subscriber.listen()))["type"] == "unsubscribe"

    run(main())


def test_a_blocking_call_waits_for_another_client(run: Run, redis_server: servers.Redis) -> None:
    async def main() -> None:
        async with client_of(redis_server) as client, client_of(redis_server) as other:
            await client.flushall()
            waiting = asyncio.create_task(take(client))
            while not any(known["cmd"] == "blpop" for known in await other.client_list()):
                await asyncio.sleep(0)
            await other.rpush("queue", "job")
            assert await waiting == [b"queue", b"job"]

    run(main())


def test_a_cancelled_call_leaves_the_client_usable(run: Run, redis_server: servers.Redis) -> None:
    async def main() -> None:
        async with client_of(redis_server) as client:
            await client.flushall()
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await client.blpop(["queue"], timeout=10)
                assert await client.set("key", "value")
                assert await client.get("key") == b"value"

    run(main())


def test_calls_fail_when_the_server_is_killed_and_work_when_it_is_back(
    run: Run, redis_server: servers.Redis
) -> None:
    async def main() -> None:
        never_again = Retry(NoBackoff(), 0)
        async with (
            client_of(redis_server, retry=never_again) as client,
            client_of(redis_server, retry=never_again) as blocked,
        ):
            waiting = asyncio.create_task(take(blocked))
            while not any(known["cmd"] == "blpop" for known in await client.client_list()):
                await asyncio.sleep(0)
            redis_server.kill()
            with pytest.raises(RedisConnectionError):
                await waiting
            for _ in range(2):  # the connection that was lost, then one that is refused
                with pytest.raises(RedisConnectionError):
                    await client.ping()
            redis_server.start()
            assert await client.set("key", "value")
            assert await blocked.get("key") == b"value"

    run(main())


def test_a_subscription_survives_the_server(run: Run, redis_server: servers.Redis) -> None:
    async def main() -> None:
        patient = Retry(ConstantBackoff(0.02), 500)
        async with (
            client_of(redis_server, retry=patient) as client,
            client_of(redis_server, retry=patient) as other,
            other.pubsub(ignore_subscribe_messages=True) as subscriber,
        ):
            await subscriber.subscribe("news")

            async def first_news() -> object:
                async for message in subscriber.listen():
                    return message["data"]
                return None

            listening = asyncio.create_task(first_news())
            while await client.pubsub_numsub("news") != [(b"news", 1)]:
                await asyncio.sleep(0)
            await asyncio.to_thread(redis_server.kill)
            await asyncio.to_thread(redis_server.start)
            while not await client.publish("news", "again"):
                await asyncio.sleep(0.005)
            assert await listening == b"again"

    run(main())
