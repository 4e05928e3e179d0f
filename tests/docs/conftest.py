"""Starts examples, and ends them with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.example_process import Example

StartExample = Callable[[str], Example]


@pytest.fixture
def start_example(tmp_path: Path) -> Iterator[StartExample]:
    started: list[Example] = []

    def start(name: str) -> Example:
        example = Example(name, tmp_path / f"{len(started)}.log")
        started.append(example)
        return example

    yield start
    for example in started:
        example.end()
