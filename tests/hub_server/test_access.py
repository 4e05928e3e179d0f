"""Who is let in: this machine itself, by its own names, and nobody's page but ours."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.hub_server.device_board import Board
from tether.hub.access import Policy, RefusedToListen, check_listen

ADDRESSES = ["/", "/app.js", "/api/devices", "/metrics", "/healthz", "/nowhere"]


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "192.0.2.7", "127.1"]
)
def test_a_foreign_host_is_misdirected(board: Board, path: str, host: str) -> None:
    reply = board.http("GET", path, host=host)
    assert reply.status == 421
    assert "Host" in reply.text


@pytest.mark.parametrize("host", ["localhost", "LocalHost:80", "127.0.0.1", "[::1]:8080"])
def test_loopback_names_are_let_in(board: Board, host: str) -> None:
    assert board.http("GET", "/healthz", host=host).status == 200


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X-Forwarded-For", "x-forwarded-anything", "X-Real-IP", "Via"],
)
def test_what_came_through_a_proxy_is_not_this_machine(board: Board, header: str) -> None:
    reply = board.http("GET", "/", headers={header: "127.0.0.1"})
    assert reply.status == 403
    assert "proxy" in reply.text


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://", ""],
)
def test_a_page_of_another_site_is_refused(board: Board, origin: str) -> None:
    reply = board.http("GET", "/api/devices", headers={"Origin": origin})
    assert reply.status == 403
    with pytest.raises(InvalidStatus) as refused:
        board.connect(additional_headers={"Origin": origin})
    assert refused.value.response.status_code == 403


def test_our_own_page_is_let_in(board: Board) -> None:
    origin = {"Origin": f"http://{board.address}"}
    assert board.http("GET", "/api/devices", headers=origin).status == 200
    client = board.connect(additional_headers=origin)
    assert client.receive()["type"] == "snapshot"


def test_hosts_and_origins_of_the_configuration_are_let_in(start_board: Any, lamp: Any) -> None:
    board: Board = start_board(
        [lamp],
        '[server]\nhosts = ["board.example"]\norigins = ["https://panel.example"]\n'
        "insecure = true\n",
    )
    assert board.http("GET", "/healthz", host="board.example").status == 200
    assert board.http("GET", "/healthz", host="192.0.2.7").status == 200
    assert board.http("GET", "/healthz", host="other.example").status == 421
    listed = {"Origin": "https://panel.example"}
    assert board.connect(additional_headers=listed).receive()["type"] == "snapshot"


def test_a_listed_host_needs_more_than_loopback_without_insecure(
    start_board: Any, lamp: Any
) -> None:
    # The name may be that of a proxy on this machine, which lets in whoever it likes.
    board: Board = start_board([lamp], '[server]\nhosts = ["board.example"]\n')
    reply = board.http("GET", "/healthz", host="board.example")
    assert reply.status == 403
    assert "--insecure" in reply.text


@pytest.mark.parametrize(
    ("peer", "host", "status"),
    [
        ("127.0.0.1:5", "127.0.0.1", None),
        ("[::1]:5", "localhost", None),
        ("[::ffff:127.0.0.1]:5", "localhost", None),
        ("", "localhost", None),
        ("192.0.2.7:5", "127.0.0.1", 403),
        ("192.0.2.7:5", "192.0.2.1", 421),
        ("127.0.0.1:5", "", 421),
    ],
)
def test_peer_and_host_both_count(peer: str, host: str, status: int | None) -> None:
    request = SimpleNamespace(peer=peer, headers={"Host": host} if host else {})
    refusal = Policy().check(request)
    assert (refusal and refusal.status) == status


def test_insecure_lets_in_by_address_and_by_the_machines_own_name() -> None:
    policy = Policy(insecure=True)
    for host in ("192.0.2.1:8080", "[2001:db8::1]", socket.gethostname()):
        assert policy.check(SimpleNamespace(peer="192.0.2.7:5", headers={"Host": host})) is None
    rebound = SimpleNamespace(peer="192.0.2.7:5", headers={"Host": "evil.example"})
    refusal = policy.check(rebound)
    assert refusal is not None
    assert refusal.status == 421


@pytest.mark.parametrize(
    "address", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "board.example:80", ":8080"]
)
def test_an_open_address_needs_insecure(address: str) -> None:
    with pytest.raises(RefusedToListen, match="--insecure"):
        check_listen([address], insecure=False)
    check_listen([address], insecure=True)


def test_more_sessions_than_allowed_are_turned_away(start_board: Any, lamp: Any) -> None:
    board: Board = start_board([lamp], "[server]\nmax_connections = 2\n")
    clients = [board.client(), board.client()]
    with pytest.raises(InvalidStatus) as refused:
        board.connect()
    assert refused.value.response.status_code == 503
    clients[0].close()
    board.until(lambda: "tether_sessions 1\n" in board.hub.metrics.render())
    board.client()


def test_a_page_cannot_post_without_being_asked(board: Board) -> None:
    body = b'{"value": true}'
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": content_type} if content_type else {}
        reply = board.http("POST", "/api/devices/lamp", headers=headers, body=body)
        assert reply.status == 415
    assert board.http("GET", "/api/devices/lamp").json()["state"]["value"] is False
