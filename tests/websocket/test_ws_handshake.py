"""The opening handshake (cases 35, 38)."""

from __future__ import annotations

import asyncio

import pytest

import tether
from tests.http.live_server import LiveServer, Serve, get
from tests.websocket.raw_websocket import BINARY, KEY, TEXT, Client, Sessions, frame, handshake

ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def request(*fields: str, line: str = "GET /ws HTTP/1.1") -> bytes:
    return "\r\n".join([line, "Host: a", *fields, "", ""]).encode("latin-1")


GOOD = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
WITH_KEY = (*GOOD, f"Sec-WebSocket-Key: {KEY}")


def test_the_accept_key_of_the_rfc(serve: Serve) -> None:
    reply = Sessions(serve).server.ask(handshake())
    assert reply.status == 101
    assert reply.reason == "Switching Protocols"
    assert reply["sec-websocket-accept"] == ACCEPT
    assert reply["upgrade"] == "websocket"
    assert reply["connection"] == "Upgrade"
    assert "sec-websocket-protocol" not in reply
    assert "sec-websocket-extensions" not in reply
    assert "content-length" not in reply


@pytest.mark.parametrize(
    ("connection", "upgrade"),
    [
        ("keep-alive, Upgrade", "websocket"),
        ("Upgrade, keep-alive", "WebSocket"),
        ("UPGRADE", "WEBSOCKET"),
        ("keep-alive,\tupgrade , x", "websocket"),
        ("upgrade", "h2c, websocket"),
        ("close, upgrade", "websocket"),
    ],
)
def test_tokens_are_lists_and_ignore_case(serve: Serve, connection: str, upgrade: str) -> None:
    reply = Sessions(serve).server.ask(
        request(f"Connection: {connection}", f"Upgrade: {upgrade}", *WITH_KEY[2:])
    )
    assert reply.status == 101


def test_compression_is_declined(serve: Serve) -> None:
    reply = Sessions(serve).server.ask(
        handshake("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    )
    assert reply.status == 101
    assert "sec-websocket-extensions" not in reply


@pytest.mark.parametrize(
    "fields",
    [
        (*WITH_KEY[:2], "Sec-WebSocket-Version: 12", WITH_KEY[3]),
        (*WITH_KEY[:2], "Sec-WebSocket-Version: 8", WITH_KEY[3]),
        (*WITH_KEY[:2], "Sec-WebSocket-Version: 013", WITH_KEY[3]),
        (*WITH_KEY[:2], "Sec-WebSocket-Version: 13, 8", WITH_KEY[3]),
        (*WITH_KEY[:2], "Sec-WebSocket-Version: 1\xb3", WITH_KEY[3]),
        (*WITH_KEY[:2], WITH_KEY[3]),
        (WITH_KEY[0], *WITH_KEY[2:]),
        (WITH_KEY[0], "Upgrade: h2c", *WITH_KEY[2:]),
        WITH_KEY[1:],
        ("Connection: keep-alive", *WITH_KEY[1:]),
        (),
    ],
)
def test_426_says_what_is_spoken(serve: Serve, fields: tuple[str, ...]) -> None:
    server = Sessions(serve).server
    with server.peer() as peer:
        for _ in range(2):
            peer.send(request(*fields))
            reply = peer.reply()
            assert reply.status == 426
            assert reply["upgrade"] == "websocket"
            assert reply["sec-websocket-version"] == "13"
            assert "Upgrade" in reply.all("connection")


def test_http_1_0_cannot_upgrade(serve: Serve) -> None:
    reply = Sessions(serve).server.ask(request(*WITH_KEY, line="GET /ws HTTP/1.0"))
    assert reply.status == 426


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [KEY, KEY],
        [""],
        ["dGhlIHNhbXBsZQ=="],
        ["dGhlIHNhbXBsZSBub25jZSB0b28gbG9uZw=="],
        ["dGhlIHNhbXBsZSBub25jZQ"],
        ["dGhlIHNhbXBsZSBub25j!!=="],
        ["dGhl IHNhbXBsZSBub25jZQ=="],
        ["\xe9" * 24],
    ],
)
def test_a_key_that_is_none_is_400(serve: Serve, keys: list[str]) -> None:
    reply = Sessions(serve).server.ask(
        request(*GOOD, *[f"Sec-WebSocket-Key: {key}" for key in keys])
    )
    assert reply.status == 400


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT"])
def test_only_get_opens_a_session(serve: Serve, method: str) -> None:
    reply = Sessions(serve).server.ask(
        request(*WITH_KEY, line=f"{method} /ws HTTP/1.1"), method=method
    )
    assert (reply.status, reply["allow"]) == (405, "GET")


@pytest.mark.parametrize("upgrade", ["\xa0websocket", "websocket\x85", "web socket", "websockets"])
def test_only_space_and_tab_are_trimmed(serve: Serve, upgrade: str) -> None:
    reply = Sessions(serve).server.ask(request(GOOD[0], f"Upgrade: {upgrade}", *WITH_KEY[2:]))
    assert reply.status == 426


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["chat, superchat"], "superchat"),
        (["superchat,chat"], "superchat"),
        (["chat"], "chat"),
        (["x", "chat"], "chat"),
        (["x , \tchat\t,y"], "chat"),
        (["Chat"], None),
        (["x"], None),
        (["\xa0chat"], None),
        ([], None),
    ],
)
def test_the_server_picks_a_subprotocol_it_knows_or_none(
    serve: Serve, offered: list[str], chosen: str | None
) -> None:
    sessions = Sessions(serve, protocols=("superchat", "chat"))
    client = sessions.client(*[f"Sec-WebSocket-Protocol: {names}" for names in offered])
    wanted = [] if chosen is None else [chosen]
    lines = client.head.decode("latin-1").lower().split("\r\n")
    found = [line.split(": ")[1] for line in lines if line.startswith("sec-websocket-protocol: ")]
    assert found == wanted
    assert sessions.ws.protocol == chosen
    client.leave()


def test_every_split_of_a_handshake_and_its_first_message(serve: Serve) -> None:
    sessions = Sessions(serve)
    wire = handshake() + frame(TEXT, b"first")
    for cut in range(1, len(wire)):
        peer = sessions.server.peer()
        peer.send_split(wire, cut)
        assert ACCEPT.encode() in peer.read_until(b"\r\n\r\n")
        assert peer.read_exactly(7) == b"\x81\x05first"
        peer.reset()
    sessions.server.until(sessions.server.is_idle)


def test_an_upgrade_after_other_requests(serve: Serve) -> None:
    sessions = Sessions(serve)

    @sessions.app.get("/")
    def plain(request: tether.Request) -> str:
        return "plain"

    with sessions.server.peer() as peer:
        peer.send(get() + handshake() + frame(TEXT, b"x"))
        assert peer.reply().body == b"plain"
        peer.read_until(b"\r\n\r\n")
        assert peer.read_exactly(3) == b"\x81\x01x"


def upgraded_later(gate: asyncio.Event, waiting: list[str]) -> tether.App:
    app = tether.App()

    @app.before
    async def later(request: tether.Request) -> None:
        waiting.append(request.path)
        await gate.wait()

    @app.websocket("/ws")
    def echo(ws: tether.WebSocket) -> None:
        ws.on_message(ws.send)

    return app


def test_frames_that_came_while_an_async_hook_decided(serve: Serve) -> None:
    gate, waiting = asyncio.Event(), list[str]()
    server: LiveServer = serve(upgraded_later(gate, waiting))
    with server.peer() as peer:
        peer.send(handshake() + frame(TEXT, b"1"))
        server.until(lambda: bool(waiting))
        peer.send(frame(BINARY, b"2"))
        peer.wait_until_read()
        server.call(gate.set)
        peer.read_until(b"\r\n\r\n")
        assert peer.read_exactly(6) == b"\x81\x011\x82\x012"


def test_frames_keep_their_order_across_an_upgrade_in_a_task(serve: Serve) -> None:
    # The second frame comes after the upgrade, before the first was handed over.
    app = tether.App()
    messages: list[str | bytes] = []

    @app.before
    async def later(request: tether.Request) -> None:
        await asyncio.sleep(0)
        peer.send(frame(TEXT, b"2"))

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        ws.on_message(messages.append)

    server: LiveServer = serve(app)
    peer = server.peer()
    peer.send(handshake() + frame(TEXT, b"1"))
    server.until(lambda: len(messages) == 2)
    assert messages == ["1", "2"]


def test_frames_keep_their_order_when_the_upgrade_itself_sends_the_next(serve: Serve) -> None:
    app = tether.App()
    messages: list[str | bytes] = []

    @app.before
    async def later(request: tether.Request) -> None:
        await asyncio.sleep(0)

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        peer.send(frame(TEXT, b"2"))
        ws.on_message(messages.append)

    server: LiveServer = serve(app)
    peer = server.peer()
    peer.send(handshake() + frame(TEXT, b"1"))
    server.until(lambda: len(messages) == 2)
    assert messages == ["1", "2"]


def test_a_client_that_leaves_in_the_middle_of_the_handshake(serve: Serve) -> None:
    sessions = Sessions(serve)
    wire = handshake()
    for cut in range(1, len(wire), 11):
        peer = sessions.server.peer()
        peer.send(wire[:cut])
        if cut % 2:
            peer.wait_until_read()
        peer.reset()
    sessions.server.until(sessions.server.is_idle)
    assert sessions.opened == []
    client: Client = sessions.client()
    client.leave()
