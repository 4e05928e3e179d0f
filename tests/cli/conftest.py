"""`tether serve` in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import Served


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*arguments: str) -> Served:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        served = Served(folder, arguments)
        started.append(served)
        return served

    yield start
    for served in started:
        served.stop()
