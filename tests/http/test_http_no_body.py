"""Replies without a body: HEAD, 204, 304 (case 22)."""

from __future__ import annotations

import pytest

import tether
from tests.http.live_server import Serve, get
from tether import Response


def app_with(body: bytes | str, status: int) -> tether.App:
    app = tether.App()

    @app.get("/")
    def plain(request: tether.Request) -> Response:
        return Response(body, status, headers={"X": "y"})

    @app.get("/later")
    async def later(request: tether.Request) -> Response:
        return Response(body, status, headers={"X": "y"})

    return app


@pytest.mark.parametrize("path", ["/", "/later"])
def test_head_has_the_headers_of_get_and_no_body(serve: Serve, path: str) -> None:
    server = serve(app_with("some text", 200))
    with server.peer() as peer:
        peer.send(get(path))
        expected = peer.reply()
        peer.send(get(path).replace(b"GET", b"HEAD") + get(path))
        reply = peer.reply("HEAD")
        without_date = [field for field in reply.fields if field[0] != "date"]
        assert without_date == [field for field in expected.fields if field[0] != "date"]
        assert reply["content-length"] == "9"
        # The next byte is of the next reply.
        assert peer.reply().body == b"some text"


@pytest.mark.parametrize("target", ["/missing", "/post", "/raise"])
def test_an_error_to_head_has_no_body_either(serve: Serve, target: str) -> None:
    app = app_with("x", 200)

    @app.get("/raise")
    def fail(request: tether.Request) -> str:
        raise tether.HTTPError(418, "short and stout")

    @app.post("/post")
    def post(request: tether.Request) -> str:
        return "never"

    with serve(app).peer() as peer:
        peer.send(get(target).replace(b"GET", b"HEAD") + get("/"))
        assert peer.reply("HEAD").status in (404, 405, 418)
        assert peer.reply().body == b"x"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", ["", "must not leave"])
def test_204_and_304_have_no_body_and_no_length(serve: Serve, status: int, body: str) -> None:
    with serve(app_with(body, status)).peer() as peer:
        for path in ("/", "/later"):
            peer.send(get(path) + get(path))
            for _ in range(2):
                reply = peer.reply()
                assert reply.status == status
                assert "content-length" not in reply
                assert "transfer-encoding" not in reply
                assert reply["x"] == "y"


def test_an_empty_200_says_so(serve: Serve) -> None:
    assert serve(app_with(b"", 200)).ask(get())["content-length"] == "0"
