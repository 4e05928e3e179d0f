"""The loops that a test of asyncio's rules runs on: ours, and asyncio's own as the measure."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.aio.recorder import Main, Run


@pytest.fixture(params=["tether", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    factory = tether.Loop if request.param == "tether" else asyncio.SelectorEventLoop

    def run(main: Main) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await main()

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(limited())

    return run
