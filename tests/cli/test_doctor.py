"""`tether doctor` finds each fault, says in which phase, and never outlives its deadline."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.certificates import server_context
from tests.cli.faulty_servers import OK, phases, port_of, says
from tests.cli.running import command, environment
from tests.cli.running import run as run_in_a_process
from tests.connect.name_server import SERVFAIL, Says, name_server
from tests.connect.namespace import need_tool, run_in_namespace
from tests.connect.proxies import proxy
from tests.connect.test_failures import black_hole, closed_port
from tether.cli.main import main


def test_a_port_that_accepts(doctor: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "{}:{}".format(*server.getsockname())
        report = doctor(address)
    assert (report["status"], report["failed"]) == (0, None)
    assert report["sentence"] == f"It works: {address} accepts connections."
    assert phases(report) == ["resolve", "connect"]
    [run] = report["runs"]
    assert run["names"]["source"] == "an address, nobody was asked"
    [one] = run["addresses"]
    assert (one["address"], one["family"], one["used"]) == ("127.0.0.1", "IPv4", True)
    assert one["local"].startswith("127.0.0.1:")


def test_each_address_is_tried_on_its_own(doctor: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        report = doctor(f"localhost:{server.getsockname()[1]}")
    assert report["status"] == 0
    v6, v4 = report["runs"][0]["addresses"]
    assert (v6["address"], v6["error"]["errno_name"], v6["used"]) == ("::1", "ECONNREFUSED", False)
    assert (v4["address"], v4["error"], v4["used"]) == ("127.0.0.1", None, True)
    assert "1 of 2 addresses of the name fail (::1)" in report["sentence"]


def test_a_refused_port(doctor: Callable[..., Any]) -> None:
    with closed_port() as address:
        report = doctor(address)
    assert (report["status"], report["failed"]) == (4, "connect")
    error = report["runs"][0]["phases"][-1]["error"]
    assert (error["class"], error["errno"]) == ("ConnectionRefused", 111)
    assert (error["errno_name"], error["token"]) == ("ECONNREFUSED", "connection_refused")
    assert report["sentence"].startswith(f"Nothing listens on {address}")


def test_a_silent_address_takes_no_longer_than_allowed(doctor: Callable[..., Any]) -> None:
    with black_hole() as address:
        began = time.monotonic()
        report = doctor(address, timeout="0.4")
        assert 0.4 <= time.monotonic() - began < 1.4
    assert report["status"] == 4
    assert "did not answer within 400 ms" in report["sentence"]


def test_a_unix_socket(doctor: Callable[..., Any], tmp_path: Path) -> None:
    assert doctor(f"unix:{tmp_path}/missing")["sentence"].startswith("There is no socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        report = doctor(f"unix:{tmp_path}/socket")
    assert report["status"] == 0
    assert report["runs"][0]["addresses"][0]["family"] == "Unix"


@contextmanager
def a_name_server(**names: Says) -> Iterator[str]:
    """The address of a name server in a thread, that says this about "<name>.test"."""
    ready, ended = threading.Event(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        async with name_server() as server:
            for name, answer in names.items():
                server.answers[f"{name}.test A"] = answer
                is_silent = answer.is_silent or name == "half"
                server.answers[f"{name}.test AAAA"] = Says(code=answer.code, is_silent=is_silent)
            found.append(server.address)
            ready.set()
            while not ended.is_set():
                await asyncio.sleep(0.005)

    thread = threading.Thread(target=tether.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield found[0]
    finally:
        ended.set()
        thread.join()


def test_what_name_servers_say(doctor: Callable[..., Any]) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        a_name_server(
            here=Says(("127.0.0.1",), ttl=77),
            failing=Says(code=SERVFAIL),
            empty=Says(),
            silent=Says(is_silent=True),
            half=Says(("127.0.0.1",)),
        ) as server,
    ):
        port = listening.getsockname()[1]
        report = doctor(f"here.test:{port}", resolver=server)
        assert report["status"] == 0
        assert report["runs"][0]["names"] == {
            "source": f"name server {server}",
            "ttl": 77,
            "complete": True,
            "attempts": [],
        }
        report = doctor(f"half.test:{port}", resolver=server, timeout="0.4")
        assert report["status"] == 0
        assert report["runs"][0]["names"]["complete"] is False
        for name, number, text in (
            ("unknown", "EAI_NONAME", "There is no host of the name unknown.test"),
            ("empty", "EAI_NODATA", "has no address"),
            ("failing", "EAI_AGAIN", "The name servers failed"),
            ("silent", None, "No name server answered about silent.test within 300 ms"),
        ):
            report = doctor(f"{name}.test:{port}", resolver=server, timeout="0.3")
            assert (report["status"], report["failed"]) == (3, "resolve")
            error = report["runs"][0]["phases"][-1]["error"]
            assert error["errno_name"] == number
            assert text in report["sentence"]
            assert server in error["reason"]


def test_many_times(doctor: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    with proxy(OK) as server:
        report = doctor(f"http://{server.address}", repeat="3")
        assert len(report["runs"]) == len(server.heads) == 3
        assert main(["doctor", f"http://{server.address}", "--repeat", "3"]) == 0
    text = capsys.readouterr().out
    assert "3 times:" in text
    assert "median" in text


def test_tables_for_people(capsys: pytest.CaptureFixture[str], trusts_the_authority: None) -> None:
    reply = b"HTTP/1.1 200 OK\r\nServer: \x1b[2Jtest\r\n\r\n"
    with proxy(says(reply), server_context("localhost")) as server:
        address = f"localhost:{port_of(server.address)}"
        assert main(["doctor", f"https://{address}", "--no-verify"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0] == f"https://{address}"
    assert [line.split()[0] for line in lines[2:7]] == [
        "phase",
        "resolve",
        "connect",
        "tls",
        "head",
    ]
    assert lines[-1] == f"It works: {address} answers, with status 200." + (
        " But 1 of 2 addresses of the name fail (::1): whoever tries one of them first loses time,"
        " so mend it or take it out of the name."
    )
    assert any(line.startswith("issuer ") for line in lines)
    assert any("127.0.0.1" in line and "ok: connected, from" in line for line in lines)


WRONG = [
    ("host",),
    ("ftp://host",),
    ("http://user:secret@host/",),
    ("http:///x",),
    ("host:80", "--no-verify"),
    ("host:80", "--alpn", "h2"),
    ("host:443", "--tls", "--alpn", ","),
    ("unix:/x", "--tls"),
    ("unix:/x", "--proxy", "http://host:1"),
    ("host:80", "--proxy", "ftp://host"),
    ("host:80", "--timeout", "0"),
    ("host:80", "--timeout", "inf"),
    ("host:80", "--repeat", "0"),
    ("host:80", "--resolver", "somebody"),
    (),
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_arguments(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["doctor", *arguments])
    except SystemExit as exiting:
        status = int(str(exiting.code))
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert "secret" not in printed.err


def test_as_a_program_it_ends_at_its_deadline_with_the_phase_as_its_status() -> None:
    with closed_port() as address:
        done = run_in_a_process("doctor", address)
    assert (done.returncode, done.stderr) == (4, "")
    assert "FAILED: connection refused [ECONNREFUSED]" in done.stdout
    text = run_in_a_process("doctor", "--help").stdout
    for number, phase in enumerate(("resolve", "connect", "tunnel", "tls", "head", "upgrade"), 3):
        assert f"\n  {number}  {phase}: " in text


def test_whoever_reads_it_may_leave() -> None:
    with closed_port() as address:
        done = subprocess.run(
            ["sh", "-c", '"$@" | true', "sh", *command("doctor", address, "--repeat", "50")],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=environment(),
        )
    assert (done.stdout, done.stderr) == ("", "")


DEADLINES = """
import json, socket, sys, time
from tether.cli.main import main
listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
hole = socket.create_server(("127.0.0.2", listening.getsockname()[1]))
began = time.monotonic()
status = main(["doctor", sys.argv[1].format(hole.getsockname()[1]), "--timeout", "0.5"])
print(json.dumps([status, time.monotonic() - began]))
listening.close()
hole.close()
"""


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        ("silent.test:{}", 3, "No name server answered about silent.test within 500 ms"),
        ("both.test:{}", 0, "1 of 2 addresses of the name fail (127.0.0.2)"),
    ],
)
def test_what_is_silent_does_not_outlive_the_deadline(
    target: str, status: int, said: str, tmp_path: Path
) -> None:
    need_tool("nft")
    setup = """
        nft add table inet faults
        nft add chain inet faults arriving '{ type filter hook input priority 0; }'
        nft add rule inet faults arriving ip daddr 127.0.0.2 drop
        nft add rule inet faults arriving udp dport 53 drop
    """
    program = DEADLINES.replace("sys.argv[1]", repr(target))
    *report, last = run_in_namespace(
        program,
        tmp_path,
        setup=setup,
        hosts="127.0.0.1 localhost\n::1 both.test\n127.0.0.2 both.test\n",
        resolv="nameserver 127.0.0.53\noptions timeout:30\n",
    ).splitlines()
    returned, took = json.loads(last)
    assert returned == status
    assert 0.5 <= took < 1.5
    assert said in report[-1]
