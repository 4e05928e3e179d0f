"""The loops that a library runs on, and the servers it talks to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import pytest

import tether
from tests.libraries.certificates import Certificates
from tests.libraries.servers import Mosquitto, Postgres, Redis, Server
from tests.libraries.waiting import PATIENCE

T = TypeVar("T")
S = TypeVar("S", bound=Server)

#: tether's loop and, as a control, the standard library's: what fails on both is not tether's.
LOOPS = {"tether": tether.Loop, "asyncio": asyncio.SelectorEventLoop}


class Run(Protocol):
    def __call__(self, main: Coroutine[Any, Any, T]) -> T: ...


@pytest.fixture(params=list(LOOPS))
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on each loop; it must end in time and leave no task behind."""

    async def watched(main: Coroutine[Any, Any, T]) -> T:
        async with asyncio.timeout(PATIENCE):
            result = await main
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:  # what is only about to end may do so
            _, left = await asyncio.wait(left, timeout=2)
        assert left == set()
        return result

    def run_on_loop(main: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(watched(main))

    return run_on_loop


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def _keep(server: S) -> Iterator[S]:
    yield server
    server.close()


def _running(server: S) -> S:
    # The test before may have killed it.
    if not server.is_running:
        server.start()
    return server


@pytest.fixture(scope="session")
def one_redis(certificates: Certificates) -> Iterator[Redis]:
    yield from _keep(Redis(certificates.chain))


@pytest.fixture
def redis_server(one_redis: Redis) -> Redis:
    return _running(one_redis)


@pytest.fixture(scope="session")
def one_mosquitto(certificates: Certificates) -> Iterator[Mosquitto]:
    yield from _keep(Mosquitto(certificates.chain))


@pytest.fixture
def mosquitto(one_mosquitto: Mosquitto) -> Mosquitto:
    return _running(one_mosquitto)


@pytest.fixture(scope="session")
def one_postgres(certificates: Certificates) -> Iterator[Postgres]:
    yield from _keep(Postgres(certificates.chain))


@pytest.fixture
def postgres(one_postgres: Postgres) -> Postgres:
    return _running(one_postgres)
