"""The limit of connections: the next one gets 503, the others are not touched (case 26)."""

from __future__ import annotations

import tether
from tests.http.live_server import Serve, get, mirror_app


def test_the_next_one_gets_503_and_the_others_go_on(serve: Serve) -> None:
    server = serve(mirror_app(), max_connections=2)
    first, second = server.peer(), server.peer()
    for peer in (first, second):
        peer.send(get())
        assert peer.reply().status == 200
    for _ in range(3):
        with server.peer() as late:
            late.send(get())
            reply = late.reply()
            assert (reply.status, reply["connection"]) == (503, "close")
            late.half_close()
            assert late.rest() == b""
    for peer in (first, second):
        peer.send(get())
        assert peer.reply().status == 200
    first.close()
    server.until(lambda: server.server.connections == 1)
    assert server.ask(get()).status == 200


def test_a_refused_one_is_told_when_it_asks_and_where_they_are_many_at_once(serve: Serve) -> None:
    # An answer that comes before the question is one that few clients understand.
    server = serve(mirror_app(), max_connections=1)
    first = server.peer()
    first.send(get())
    assert first.reply().status == 200
    patient = [server.peer() for _ in range(64)]
    with server.peer() as late:
        assert late.reply().status == 503
    for one in patient:
        one.send(get())
        assert one.reply().status == 503
        one.close()


def test_sessions_count_as_connections(serve: Serve) -> None:
    # A WebSocket holds a descriptor like any other connection.
    app = tether.App()

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        ws.on_message(ws.send)

    @app.get("/")
    def plain(request: tether.Request) -> str:
        return "plain"

    server = serve(app, max_connections=1)
    upgraded = server.peer()
    upgraded.send(
        get(
            "/ws",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
    )
    assert upgraded.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert server.ask(get()).status == 503
    upgraded.close()
    server.until(lambda: server.server.sessions == 0)
    assert server.ask(get()).status == 200
