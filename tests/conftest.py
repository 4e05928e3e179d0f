"""What all tests share: nothing may be left behind, and no failure may pass unseen."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.watch import Reports, open_descriptors, waiting_threads
from tether.engine.pollers import POLLERS
from tether.stream import tls

TESTS = Path(__file__).parent
#: The rooms whose every test is watched; the others have fixtures of their own for it.
WATCHED = {"engine", "aio", "stream", "connect", "libraries"}


@pytest.fixture(autouse=True, scope="session")
def what_is_loaded_is_no_garbage() -> Iterator[None]:
    """Many tests end with a collection, which need not look at every module and test there is."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def reports() -> Iterator[Reports]:
    """What was logged; what is in it at the end of the test fails it."""
    handler = Reports()
    loggers = [logging.getLogger(name) for name in ("asyncio", "tether")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    gc.collect()  # a future or a task whose failure nobody saw says so when it goes
    for logger in loggers:
        logger.removeHandler(handler)
    assert handler.take() == []


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """The test leaves no descriptor and no thread behind."""
    descriptors, threads = open_descriptors(), waiting_threads()
    yield
    left = {
        number: what
        for number, what in open_descriptors().items()
        if descriptors.get(number) != what
    }
    assert left == {}
    assert waiting_threads() - threads == set()


#: A run on one poller: `TETHER_POLLER=poll make test ARGS=tests/aio`.
CHOSEN = os.environ.get("TETHER_POLLER")


@pytest.fixture(params=[CHOSEN] if CHOSEN else list(POLLERS))
def poller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs on each poller there is: its loops and its children take this one."""
    name: str = request.param
    monkeypatch.setenv("TETHER_POLLER", name)
    return name


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest) -> None:
    """Watch over the tests of the rooms below the application."""
    if request.path.relative_to(TESTS).parts[0] in WATCHED:
        request.getfixturevalue("nothing_left")
        request.getfixturevalue("reports")  # ends first, and collects what is garbage


@pytest.fixture(params=tls.WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """TLS through OpenSSL itself, and through Python's `ssl` alone: both behave alike."""
    chosen = tls.choose()
    yield tls.choose(request.param)
    tls.choose(chosen)
