"""`tether doctor` beyond the connection: certificates, handshakes, tunnels, replies."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.certificates import self_signed_context, server_context
from tests.cli.faulty_servers import OK, hangs, leaves, phases, port_of, reads_then, says
from tests.connect.proxies import answers, proxy, socks, tunnels


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
