"""The files of the page as a browser gets them."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from tests.hub_server.device_board import Board

NAMES = sorted(entry.name for entry in (resources.files("tether.hub") / "page").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_served_as_what_it_is(board: Board, name: str) -> None:
    reply = board.http("GET", "/" if name == "index.html" else f"/{name}")
    assert reply.status == 200
    assert reply.body == (resources.files("tether.hub") / "page" / name).read_bytes()
    kinds = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg"}
    assert reply.headers["Content-Type"].startswith(kinds[name.rpartition(".")[2]])
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-cache"
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for name in NAMES:
        text = (resources.files("tether.hub") / "page" / name).read_text()
        links = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", text)
        assert [link for link in links if "www.w3.org" not in link] == [], name


def test_a_file_that_did_not_change_is_not_sent_again(board: Board) -> None:
    first = board.http("GET", "/app.js")
    tag = first.headers["ETag"]
    again = board.http("GET", "/app.js", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == tag
    changed = board.http("GET", "/app.js", headers={"If-None-Match": '"other"'})
    assert (changed.status, changed.body) == (200, first.body)


def test_head_has_the_headers_and_no_body(board: Board) -> None:
    full, head = board.http("GET", "/"), board.http("HEAD", "/")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(full.body))
    assert head.headers["Content-Type"] == full.headers["Content-Type"]


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/..%2fserver.py",
        "/%2e%2e/server.py",
        "/page/../../server.py",
        "/....//server.py",
        "/app.js%00.html",
        "//etc/passwd",
        "/etc/passwd",
        "/.",
        "/app.js/",
        "/index.html/../app.js",
    ],
)
def test_nothing_beside_the_page_can_be_reached(board: Board, path: str) -> None:
    reply = board.http("GET", path)
    assert reply.status in (400, 404)
    assert b"import" not in reply.body
    assert b"root:" not in reply.body


def test_the_page_is_only_read(board: Board) -> None:
    reply = board.http("POST", "/")
    assert reply.status == 405
    assert "GET" in reply.headers["Allow"]
