"""Which poller a loop gets, and what each says that it can."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys

import pytest

import tether
from tests.watch import open_descriptors
from tether.engine.pollers import POLLERS


def name_of(loop: tether.Loop) -> str:
    try:
        return loop.poller.name
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("name", "edge", "early_close", "max_fd"),
    [("epoll", True, True, -1), ("poll", False, True, -1), ("select", False, False, 1023)],
)
def test_each_says_what_it_can(name: str, edge: bool, early_close: bool, max_fd: int) -> None:
    loop = tether.Loop(poller=name)
    try:
        poller = loop.poller
        assert poller.name == name
        assert (poller.edge, poller.early_close, poller.max_fd) == (edge, early_close, max_fd)
    finally:
        loop.close()


def test_linux_has_all_three_and_takes_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TETHER_POLLER", raising=False)
    assert list(POLLERS) == ["epoll", "poll", "select"]
    assert name_of(tether.Loop()) == "epoll"


def test_the_argument_comes_before_the_environment(poller: str) -> None:
    assert name_of(tether.Loop()) == poller
    for other in POLLERS:
        assert name_of(tether.Loop(poller=other)) == other


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETHER_POLLER", "")
    assert name_of(tether.Loop()) == "epoll"


@pytest.mark.parametrize("name", ["carrier pigeon", "", "EPOLL", "kqueue"])
def test_an_unknown_one_is_refused_and_what_there_is_named(name: str) -> None:
    descriptors = open_descriptors()
    with pytest.raises(ValueError, match="no such poller") as caught:
        tether.Loop(poller=name)
    assert f"{name!r} (there are epoll, poll, select)" in str(caught.value)
    gc.collect()
    assert open_descriptors() == descriptors


def test_an_unknown_one_of_the_environment_is_refused_and_the_variable_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TETHER_POLLER", "carrier pigeon")
    with pytest.raises(ValueError, match="'carrier pigeon', which TETHER_POLLER names"):
        tether.Loop()
    assert name_of(tether.Loop(poller="poll")) == "poll"


WITHOUT_EPOLL = """
import asyncio
import sys

sys.platform = "freebsd14"  # as far as the choice goes: what is compiled is this system's
import tether

assert "tether.engine.epoll" not in sys.modules


async def main():
    async with tether.listen("127.0.0.1:0", lambda stream: stream.send(b"hello")) as listener:
        stream = await tether.connect(listener.address)
        data = await stream.readexactly(5)
        stream.close()
        return data, asyncio.get_running_loop().poller.name


print(*tether.run(main()))
tether.Loop(poller="epoll")
"""


def test_where_there_is_no_epoll_poll_serves_and_epoll_is_refused() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TETHER_POLLER"}
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_EPOLL],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=False,
    )
    assert ran.stdout == "b'hello' poll\n", ran.stderr
    assert ran.stderr.splitlines()[-1] == (
        "ValueError: no such poller on freebsd14: 'epoll' (there are poll, select)"
    )


def test_a_loop_counts_what_it_watches(poller: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, tether.Loop)
        before = len(loop.poller)
        reader, writer = os.pipe()
        loop.add_reader(reader, print)
        loop.add_writer(writer, print)
        assert len(loop.poller) == before + 2
        loop.remove_reader(reader)
        loop.remove_writer(writer)
        assert len(loop.poller) == before
        os.close(reader)
        os.close(writer)

    tether.run(main())
