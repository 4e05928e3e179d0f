"""Which pages may open a session (case 40): by default those of the same host."""

from __future__ import annotations

import pytest

from tests.http.live_server import Serve
from tests.websocket.raw_websocket import Sessions, handshake


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://a", "a"),
        ("http://a:80", "a"),
        ("http://a", "a:80"),
        ("https://a", "a:443"),
        ("http://A.Example", "a.example"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_same_host_is_allowed(serve: Serve, origin: str, host: str) -> None:
    server = Sessions(serve).server
    assert server.ask(handshake(f"Origin: {origin}", host=host)).status == 101


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil", "a"),
        ("http://a.evil", "a"),
        ("http://evila", "a"),
        ("http://a:81", "a"),
        ("http://a", "a:81"),
        ("https://a", "a:80"),
        ("null", "a"),
        ("", "a"),
        ("a", "a"),
        ("http://", "a"),
        ("http://[::1", "a"),
        ("http://a:port", "a"),
        ("file://", "a"),
        ("http://evil, http://a", "a"),
        ("http://a@evil", "a"),
        ("http://evil#a", "a"),
        ("http://evil\\a", "a"),
    ],
)
def test_a_foreign_origin_is_403_before_the_upgrade(serve: Serve, origin: str, host: str) -> None:
    sessions = Sessions(serve)
    assert sessions.server.ask(handshake(f"Origin: {origin}", host=host)).status == 403
    assert sessions.opened == []


def test_two_origins_are_refused(serve: Serve) -> None:
    reply = Sessions(serve).server.ask(handshake("Origin: http://a", "Origin: http://a"))
    assert reply.status in (400, 403)


def test_no_origin_is_no_browser(serve: Serve) -> None:
    assert Sessions(serve).server.ask(handshake()).status == 101


def test_a_list_of_origins(serve: Serve) -> None:
    server = Sessions(serve, origins=("https://page.example",)).server
    assert server.ask(handshake("Origin: https://page.example")).status == 101
    assert server.ask(handshake()).status == 101
    for origin in ("http://a", "https://page.example.evil", "http://page.example"):
        assert server.ask(handshake(f"Origin: {origin}")).status == 403


def test_an_empty_list_allows_no_page(serve: Serve) -> None:
    server = Sessions(serve, origins=()).server
    assert server.ask(handshake("Origin: http://a")).status == 403
    assert server.ask(handshake()).status == 101


def test_a_star_allows_all(serve: Serve) -> None:
    server = Sessions(serve, origins=["*"]).server
    assert server.ask(handshake("Origin: http://evil")).status == 101


def test_a_function_decides(serve: Serve) -> None:
    server = Sessions(serve, origins=lambda origin: origin.endswith(".ours")).server
    assert server.ask(handshake("Origin: http://x.ours")).status == 101
    assert server.ask(handshake("Origin: http://a")).status == 403
