"""What the engine's tests share: a loop on each poller, closed as `tether.run` closes one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tether


@pytest.fixture
def loop(poller: str) -> Iterator[tether.Loop]:
    loop = tether.Loop()
    yield loop
    loop.run_until_complete(close_root(loop))
    loop.close()


async def close_root(loop: tether.Loop) -> None:
    loop.scope.close()
    await loop.scope.wait_closed()
