"""What the tests of the hub share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hub.devices_for_tests import Until
from tests.hub.sysfs_tree import Tree
from tether.hub.devices.model import Device
from tether.hub.devices.registry import Registry


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "sys")


@pytest.fixture
def until() -> Until:
    """Wait for a condition that holds after some change in the registry; 5 s at most."""

    async def wait(registry: Registry, condition: Callable[[], bool]) -> None:
        reached = asyncio.Event()

        def changed(_: Device) -> None:
            if condition():
                reached.set()

        remove = registry.listen(changed)
        try:
            if not condition():
                async with asyncio.timeout(5):
                    await reached.wait()
        finally:
            remove()

    return wait
