"""Properties of the parser: splits do not matter, and garbage never breaks the server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.live_server import LiveServer, Reply, get, mirror_app

RELAXED = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TOKENS = st.text("!#$%&'*+-.^_`|~0123456789abcXYZ", min_size=1, max_size=12)
VALUES = st.text(
    st.characters(codec="latin-1", exclude_categories=["Cc"]) | st.just("\t"), max_size=30
)
OWN = {"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"}
FIELDS = st.lists(
    st.tuples(TOKENS.filter(lambda name: name.lower() not in OWN), VALUES), max_size=8
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, dict[str, object]]:
    """A request that the grammar allows, and what the server must have understood."""
    fields = draw(FIELDS)
    body = draw(st.none() | st.binary(max_size=300))
    target = "/" + draw(st.text("abc-._~", max_size=10))
    if target in ("/.", "/..") or "/" in target[1:]:
        target = "/x"
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", "Host: a"]
    lines += [f"{name}: {value}" for name, value in fields]
    seen = [["host", "a"], *([name.lower(), value.strip(" \t")] for name, value in fields)]
    wire = b""
    if body is not None and draw(st.booleans()):
        lines.append("Transfer-Encoding: chunked")
        seen.append(["transfer-encoding", "chunked"])
        rest = body
        while rest:
            size = draw(st.integers(1, len(rest)))
            extension = draw(st.sampled_from([b"", b";a", b";a=b"]))
            wire += b"%x%s\r\n%s\r\n" % (size, extension, rest[:size])
            rest = rest[size:]
        wire += b"0\r\n" + draw(st.sampled_from([b"", b"T: x\r\n"])) + b"\r\n"
    elif body is not None:
        lines.append(f"Content-Length: {len(body)}")
        seen.append(["content-length", str(len(body))])
        wire = body
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + wire, {"fields": seen, "body": (body or b"").decode("latin-1"), "target": target}


@pytest.fixture(scope="module")
def shared() -> Iterator[LiveServer]:
    server = LiveServer(mirror_app(), head_timeout=5.0).start()
    yield server
    server.stop()
    assert server.messages() == []


def understood(reply: Reply) -> dict[str, object]:
    assert reply.status == 200, reply
    found: dict[str, object] = json.loads(reply.body)
    return {key: found[key] for key in ("fields", "body", "target")}


@RELAXED
@given(several=st.lists(requests(), min_size=1, max_size=4), data=st.data())
def test_random_splits_give_what_one_piece_gives(
    shared: LiveServer, several: list[tuple[bytes, dict[str, object]]], data: st.DataObject
) -> None:
    wire = b"".join(request for request, _ in several)
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=6).map(sorted))
    expected = [seen for _, seen in several]
    for points in ([], cuts):
        with shared.peer() as peer:
            begin = 0
            for point in points:
                if point > begin:
                    peer.send(wire[begin:point])
                    peer.wait_until_read()
                    begin = point
            if begin < len(wire):
                peer.send(wire[begin:])
            assert [understood(peer.reply()) for _ in several] == expected
            peer.half_close()
            assert peer.rest() == b""


def statuses(data: bytes) -> list[int]:
    """The statuses of replies one after the other, read by their lengths."""
    found = []
    while data:
        head, mark, data = data.partition(b"\r\n\r\n")
        assert mark, head
        reply = Reply(head, b"")
        found.append(reply.status)
        if reply.status != 100:
            data = data[int(reply["content-length"]) :]
    return found


def survives(shared: LiveServer, wire: bytes) -> None:
    with shared.peer() as peer:
        peer.send(wire)
        peer.half_close()
        for status in statuses(peer.rest()):
            assert status < 500 or status in (501, 505), wire
    assert shared.ask(get()).status == 200


@RELAXED
@given(st.binary(min_size=1, max_size=400))
def test_garbage_never_breaks_the_server(shared: LiveServer, wire: bytes) -> None:
    survives(shared, wire)


PIECES = st.sampled_from(
    [
        b"GET", b"POST", b" ", b"/", b" / ", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n",
        b"\r", b":", b"Host: a\r\n", b"Content-Length: ", b"Content-Length: 5\r\n", b"5", b"-",
        b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
        b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n", b";", b"\0", b"\x80",
        b"\t", b"?a=%zz&b", b"http://[", b"%00", b"\x7f",
    ]
)  # fmt: skip


@RELAXED
@given(st.lists(PIECES, min_size=1, max_size=14).map(b"".join))
def test_pieces_of_http_in_any_order_never_break_the_server(
    shared: LiveServer, wire: bytes
) -> None:
    survives(shared, wire)


@RELAXED
@given(requests(), st.data())
def test_one_changed_octet_never_breaks_the_server(
    shared: LiveServer, request_: tuple[bytes, dict[str, object]], data: st.DataObject
) -> None:
    wire = bytearray(request_[0])
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    survives(shared, bytes(wire))
