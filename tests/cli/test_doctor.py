"""`tether doctor` finds each fault, says in which phase, and never outlives its deadline."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.certificates import authority, self_signed_context, server_context
from tests.cli.running import run as run_in_a_process
from tests.connect.name_server import SERVFAIL, Says, name_server
from tests.connect.proxies import Asked, answers, proxy, read_head, socks, tunnels
from tests.connect.test_failures import black_hole, closed_port
from tether.cli.main import main


@pytest.fixture(autouse=True)
def trusts_the_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The exit status and the JSON of a run."""

    def run(*arguments: str, **more: str) -> Any:
        options = [part for name, value in more.items() for part in (f"--{name}", value)]
        status = main(["doctor", *arguments, *options, "--json"])
        printed = capsys.readouterr()
        assert printed.err == ""
        report = json.loads(printed.out)
        assert report["status"] == status
        return report

    return run


def says(reply: bytes) -> Callable[[socket.socket, Asked], None]:
    def serve(connection: socket.socket, asked: Asked) -> None:
        asked.heads.append(read_head(connection))
        connection.sendall(reply)
        while connection.recv(4096):
            pass

    return serve


def hangs(connection: socket.socket, asked: Asked) -> None:
    while connection.recv(4096):
        pass


def leaves(connection: socket.socket, asked: Asked) -> None:
    connection.recv(1)


OK = says(b"HTTP/1.1 200 OK\r\nServer: test\r\n\r\n")


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def phases(report: Any) -> list[str]:
    return [one["phase"] for one in report["runs"][0]["phases"]]


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
                server.answers[f"{name}.test AAAA"] = Says(
                    code=answer.code, is_silent=answer.is_silent
                )
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
        ) as server,
    ):
        port = listening.getsockname()[1]
        report = doctor(f"here.test:{port}", resolver=server)
        assert report["status"] == 0
        assert report["runs"][0]["names"] == {
            "source": f"name server {server}",
            "ttl": 77,
            "attempts": [],
        }
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


def test_a_trusted_certificate(doctor: Callable[..., Any]) -> None:
    with proxy(OK, server_context("localhost")) as server:
        report = doctor(f"https://localhost:{port_of(server.address)}/x?y")
    assert report["status"] == 0, report["sentence"]
    assert phases(report) == ["resolve", "connect", "tls", "head"]
    [run] = report["runs"]
    certificate = run["certificate"]
    assert certificate["version"].startswith("TLSv1.")
    assert (certificate["accepted"], certificate["trusted"]) == (True, True)
    assert certificate["names"] == ["localhost"]
    assert certificate["days_left"] > 1
    assert certificate["problems"] == []
    assert run["reply"] == {"version": "1.1", "status": 200, "reason": "OK", "server": "test"}
    assert server.heads[0].startswith("GET /x?y HTTP/1.1\r\nHost: localhost:")


CERTIFICATES: dict[str, tuple[Callable[[], ssl.SSLContext], list[str], str]] = {
    "expired": (lambda: server_context("localhost", is_expired=True), ["dates"], "it expired on"),
    "another name": (lambda: server_context("other.test"), ["name"], "but for other.test"),
    "self-signed": (self_signed_context, ["chain", "name"], "nobody that this machine trusts"),
    "all but the chain": (
        lambda: server_context("other.test", is_expired=True),
        ["dates", "name"],
        "it is not for localhost",
    ),
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_a_bad_certificate(what: str, doctor: Callable[..., Any]) -> None:
    context, problems, sentence = CERTIFICATES[what]
    with proxy(hangs, context()) as server:
        address = f"localhost:{port_of(server.address)}"
        refused, accepted = doctor(address, "--tls"), doctor(address, "--tls", "--no-verify")
    assert (refused["status"], refused["failed"]) == (6, "tls")
    assert accepted["status"] == 0
    for report in (refused, accepted):
        found = report["runs"][0]["certificate"]
        assert [one["what"] for one in found["problems"]] == problems
        assert found["accepted"] == (report is accepted)
        assert found["trusted"] == ("chain" not in problems)
        assert sentence in report["sentence"]
        assert found["not_after"]
    assert "without --no-verify" in accepted["sentence"]


def reads_then(data: bytes) -> Callable[[socket.socket, Asked], None]:
    def serve(connection: socket.socket, asked: Asked) -> None:
        connection.recv(4096)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        hangs(connection, asked)

    return serve


TLS_FAULTS: dict[str, tuple[Callable[..., None], str, str]] = {
    "plaintext": (
        reads_then(b"220 mail.test ready\r\n"),
        "TLSError",
        "does not speak TLS on this port: use no --tls",
    ),
    "silence": (hangs, "ConnectTimeout", "said nothing in the TLS handshake"),
    "closed": (leaves, "TLSError", "broke off"),
    "alert": (
        reads_then(b"\x15\x03\x03\x00\x02\x02\x28"),
        "TLSAlert",
        "the peer sent an alert: handshake failure",
    ),
}


@pytest.mark.parametrize("fault", TLS_FAULTS)
def test_a_handshake_that_fails(fault: str, doctor: Callable[..., Any]) -> None:
    serve, kind, sentence = TLS_FAULTS[fault]
    with proxy(serve) as server:
        began = time.monotonic()
        report = doctor(server.address, "--tls", timeout="0.4")
        assert time.monotonic() - began < 1.4
    assert (report["status"], report["failed"]) == (6, "tls")
    assert report["runs"][0]["phases"][-1]["error"]["class"] == kind
    assert sentence in report["sentence"]


REPLIES: dict[str, tuple[Callable[..., None], str, str]] = {
    "closed": (leaves, "ConnectionClosed", "hung up instead of replying"),
    "cut short": (
        answers(b"HTTP/1.1 200 OK\r\nServ"),
        "ConnectionClosed",
        "hung up in the middle of its reply",
    ),
    "silence": (hangs, "ReadTimeout", "sent no reply in time"),
    "not HTTP": (answers(b"220 mail ready\r\n"), "ProtocolError", "does not speak HTTP"),
    "TLS": (answers(b"\x15\x03\x01\x00\x02\x02\x46"), "ProtocolError", "use https://"),
}


@pytest.mark.parametrize("fault", REPLIES)
def test_a_reply_that_fails(fault: str, doctor: Callable[..., Any]) -> None:
    serve, kind, sentence = REPLIES[fault]
    with proxy(serve) as server:
        report = doctor(f"http://{server.address}", timeout="0.4")
    assert (report["status"], report["failed"]) == (7, "head")
    assert report["runs"][0]["phases"][-1]["error"]["class"] == kind
    assert sentence in report["sentence"]


def test_a_websocket(doctor: Callable[..., Any]) -> None:
    with proxy(says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")) as server:
        report = doctor(f"ws://{server.address}/ws")
    assert (report["status"], phases(report)[-1]) == (0, "upgrade")
    assert "Upgrade: websocket\r\n" in server.heads[0]
    with proxy(says(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as server:
        report = doctor(f"ws://{server.address}/ws")
    assert (report["status"], report["failed"]) == (8, "upgrade")
    assert "opens no WebSocket at /ws: it answered 403 Forbidden" in report["sentence"]


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_through_a_proxy(scheme: str, doctor: Callable[..., Any]) -> None:
    way = {"http": tunnels(), "https": tunnels(), "socks5": socks()}[scheme]
    context = server_context("localhost") if scheme == "https" else None
    login = "" if scheme == "socks5" else "me:secret@"
    with proxy(way, context) as between, proxy(OK, server_context("localhost")) as server:
        report = doctor(
            f"https://localhost:{port_of(server.address)}",
            proxy=f"{scheme}://{login}localhost:{port_of(between.address)}",
        )
    assert report["status"] == 0, report["sentence"]
    first = ["tls"] if scheme == "https" else []
    assert phases(report) == ["resolve", "connect", *first, "tunnel", "tls", "head"]
    assert "secret" not in json.dumps(report)


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (answers(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "user and a password"),
        (answers(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), "does not lead to here.test:80"),
        (answers(b"220 mail\r\n"), "is no such proxy"),
        (leaves, "hung up instead of answering"),
        (hangs, "did not answer in time"),
    ],
    ids=["password", "refusal", "no proxy", "closed", "silence"],
)
def test_a_proxy_that_fails(
    serve: Callable[..., None], said: str, doctor: Callable[..., Any]
) -> None:
    with proxy(serve) as between:
        report = doctor("here.test:80", proxy=f"http://{between.address}", timeout="0.4")
    assert (report["status"], report["failed"]) == (5, "tunnel")
    assert said in report["sentence"]


def test_many_times(doctor: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    with proxy(OK) as server:
        report = doctor(f"http://{server.address}", repeat="3")
        assert len(report["runs"]) == len(server.heads) == 3
        assert main(["doctor", f"http://{server.address}", "--repeat", "3"]) == 0
    text = capsys.readouterr().out
    assert "3 times:" in text
    assert "median" in text


def test_tables_for_people(capsys: pytest.CaptureFixture[str]) -> None:
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
