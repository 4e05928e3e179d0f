"""What goes out is checked at one point: nobody injects a line through a header."""

from __future__ import annotations

import pytest

import tether
from tests.http.live_server import Serve, get
from tether import HTTPError, Response

EVIL = ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\0b", "a\x7fb", "a\x0bb", "\u0120\u010d\u010a"]


@pytest.mark.parametrize("value", EVIL)
def test_a_control_character_in_a_value_does_not_leave(serve: Serve, value: str) -> None:
    app = tether.App()

    @app.get("/")
    def plain(request: tether.Request) -> Response:
        return Response("body", headers={"X": value})

    @app.get("/async")
    async def later(request: tether.Request) -> Response:
        return Response("body", headers={"X": value})

    @app.get("/error")
    def error(request: tether.Request) -> Response:
        raise HTTPError(400, "no", headers={"X": value})

    server = serve(app)
    for path in ("/", "/async", "/error"):
        reply = server.ask(get(path))
        assert reply.status == 500
        assert "x" not in reply
        assert "set-cookie" not in reply
    assert len(server.problems) == 3
    server.problems.clear()


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\n", "a\0", "\xe9", "a\t"])
def test_a_bad_name_does_not_leave(serve: Serve, name: str) -> None:
    app = tether.App()

    @app.get("/")
    def plain(request: tether.Request) -> Response:
        return Response("body", headers={name: "x"})

    server = serve(app)
    reply = server.ask(get())
    assert reply.status == 500
    assert len(server.problems) == 1
    server.problems.clear()


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_framing_is_written_by_the_server_alone(serve: Serve, name: str) -> None:
    app = tether.App()

    @app.get("/")
    def plain(request: tether.Request) -> Response:
        return Response("body", headers={name: "3"})

    server = serve(app)
    assert server.ask(get()).status == 500
    assert "is written by the server" in str(server.problems[0].exc_info)
    server.problems.clear()


def test_a_redirect_to_what_the_client_sent_cannot_split(serve: Serve) -> None:
    app = tether.App()

    @app.get("/go")
    def go(request: tether.Request) -> Response:
        return Response(status=302, headers={"Location": request.query["to"]})

    server = serve(app)
    assert server.ask(get("/go?to=/x"))["location"] == "/x"
    reply = server.ask(get("/go?to=/x%0d%0aSet-Cookie:%20a=b"))
    assert reply.status == 500
    assert "set-cookie" not in reply
    server.problems.clear()


def test_one_date_one_length(serve: Serve) -> None:
    app = tether.App()

    @app.get("/")
    def plain(request: tether.Request) -> str:
        return "four"

    reply = serve(app).ask(get())
    assert reply["date"].endswith(" GMT")
    assert (reply["content-length"], reply.body) == ("4", b"four")


@pytest.mark.parametrize("status", [100, 199, 600, 0, -1, 1000])
def test_a_status_that_is_not_final_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        Response(status=status)
