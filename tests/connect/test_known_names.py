"""Literal addresses, localhost and the names of the hosts file are answered at once, by nobody."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from socket import AF_INET, AF_INET6

import pytest

import tether
from tests.connect.namespace import run_in_namespace


def known(name: str, hosts: Path | None = None) -> list[str]:
    """The addresses, from a resolver that would start a thread to ask for more."""

    async def main() -> list[str]:
        threads = set(threading.enumerate())
        found = await tether.Resolver(hosts=str(hosts or "")).resolve(name, 80, timeout=1)
        assert set(threading.enumerate()) <= threads
        assert all(where[1] == 80 for _, where in found)
        return [where[0] for _, where in found]

    return tether.run(main())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%lo", "192.0.2.1"])
def test_an_address_is_itself(address: str) -> None:
    assert known(address) == [address]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "a.b.localhost"])
def test_localhost_is_this_machine_whatever_anybody_says(name: str, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.1 localhost a.b.localhost\n")
    assert sorted(known(name, hosts)) == ["127.0.0.1", "::1"]


def test_the_hosts_file(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "# a comment\n"
        "127.0.0.2\tmain.test alias.test Other  # 127.0.0.9 commented.test\n"
        "::1 main.test\n"
        "127.0.0.3 main.test\n"
        "no-address broken.test\n"
        "127.0.0.2 main.test\n"
        "127.0.0.4\n"
    )
    assert known("main.test", hosts) == ["::1", "127.0.0.2", "127.0.0.3"]
    assert known("MAIN.test.", hosts) == ["::1", "127.0.0.2", "127.0.0.3"]
    assert known("alias.test", hosts) == ["127.0.0.2"]
    assert known("other", hosts) == ["127.0.0.2"]


def test_a_hosts_file_that_changed_is_read_again(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    asking = tether.Resolver(hosts=str(hosts))

    async def main(name: str) -> list[str]:
        return [where[0] for _, where in await asking.resolve(name)]

    hosts.write_text("127.0.0.2 here.test\n")
    assert tether.run(main("here.test")) == ["127.0.0.2"]
    hosts.write_text("127.0.0.3 here.test\n")
    os.utime(hosts, (1, 1))
    assert tether.run(main("here.test")) == ["127.0.0.3"]
    replacement = tmp_path / "new"
    replacement.write_text("127.0.0.4 here.test\n")
    os.utime(replacement, (1, 1))
    replacement.rename(hosts)
    assert tether.run(main("here.test")) == ["127.0.0.4"]


def test_connect_takes_what_the_hosts_file_says_without_a_thread(tmp_path: Path) -> None:
    program = """
import threading, tether
async def main():
    async with tether.listen("127.0.0.7:0", lambda stream: None) as listener:
        port = listener.address.rpartition(":")[2]
        for name in ("here.test", "HERE.TEST", "alias.test"):
            async with await tether.connect(f"{name}:{port}") as stream:
                print(stream.peer == listener.address, threading.active_count())
tether.run(main())
"""
    said = run_in_namespace(program, tmp_path, hosts="127.0.0.7 here.test alias.test\n")
    assert said == "True 1\n" * 3


def test_the_families_are_those_of_the_socket_module() -> None:
    async def main() -> None:
        found = await tether.Resolver().resolve("localhost")
        assert {family for family, _ in found} == {AF_INET, AF_INET6}

    tether.run(main())
