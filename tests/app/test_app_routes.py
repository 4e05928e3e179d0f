"""Paths, methods and what handlers return (case 25)."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tether
from tests.http.live_server import LiveServer, Serve, get, post
from tether import Response
from tether.app.routes import Routes


def routed_app() -> tether.App:
    app = tether.App()

    @app.get("/text")
    def text(request: tether.Request) -> str:
        return "grüße"

    @app.get("/bytes")
    def raw(request: tether.Request) -> bytes:
        return b"\0\xff"

    @app.get("/json")
    async def value(request: tether.Request) -> dict[str, Any]:
        return {"query": request.query, "path": request.path, "peer": request.peer}

    @app.get("/list")
    def several(request: tether.Request) -> list[int]:
        return [1, 2]

    @app.get("/response")
    def response(request: tether.Request) -> Response:
        return Response("made", 201, headers={"Location": "/made"})

    @app.get("/number/{number}")
    def number(request: tether.Request, number: int) -> dict[str, int]:
        return {"int": number}

    @app.get("/float/{number}")
    def decimal(request: tether.Request, number: float) -> dict[str, float]:
        return {"float": number}

    @app.get("/name/{first}/{second}")
    def names(request: tether.Request, second: str, first: str) -> list[str]:
        return [first, second]

    @app.put("/text")
    @app.delete("/text")
    def change(request: tether.Request) -> str:
        return request.method

    @app.route("/brew", methods=("BREW",))
    def brew(request: tether.Request) -> str:
        return "tea"

    @app.websocket("/ws")
    def session(ws: tether.WebSocket) -> None:
        ws.on_message(ws.send)

    @app.post("/only-post")
    def only(request: tether.Request) -> str:
        return "posted"

    return app


@pytest.fixture
def server(serve: Serve) -> LiveServer:
    return serve(routed_app())


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/text", 200, "text/plain; charset=utf-8", "grüße".encode()),
        ("/bytes", 200, "application/octet-stream", b"\0\xff"),
        ("/list", 200, "application/json", b"[1,2]"),
        ("/response", 201, "text/plain; charset=utf-8", b"made"),
        ("/number/42", 200, "application/json", b'{"int":42}'),
        ("/number/-42", 200, "application/json", b'{"int":-42}'),
        ("/float/1.5", 200, "application/json", b'{"float":1.5}'),
        ("/name/a/b", 200, "application/json", b'["a","b"]'),
        ("/name/a%20b/%C3%A9", 200, "application/json", '["a b","é"]'.encode()),
    ],
)
def test_results(
    server: LiveServer, path: str, status: int, content_type: str, body: bytes
) -> None:
    reply = server.ask(get(path))
    assert (reply.status, reply["content-type"], reply.body) == (status, content_type, body)


def test_query_path_and_peer(server: LiveServer) -> None:
    with server.peer() as peer:
        peer.send(get("/json?a=1&b=%26&a=2&empty=&plus=x+y"))
        assert json.loads(peer.reply().body) == {
            "query": {"a": "2", "b": "&", "empty": "", "plus": "x y"},
            "path": "/json",
            "peer": peer.name,
        }


@pytest.mark.parametrize(
    "path", ["/missing", "/", "/text/", "/number", "/number/", "/number/x", "/number/1/2", "//text"]
)
def test_an_unknown_path_is_404(server: LiveServer, path: str) -> None:
    assert server.ask(get(path)).status == 404


@pytest.mark.parametrize(
    "text",
    ["%D9%A3", "%EF%BC%93", "1_0", "%201", "1%20", "+1", "1%0A", "0x1", "1.0", "%C2%B2", "--1", ""],
)
def test_an_integer_in_a_path_is_ascii_digits(server: LiveServer, text: str) -> None:
    # security.md: never `int()` on the wire: it takes digits of any script, spaces and underscores.
    assert server.ask(get(f"/number/{text}")).status == 404


@pytest.mark.parametrize("text", ["%D9%A3", "1_0", "%201", "nan", "inf", "-Infinity", "1e999", "x"])
def test_a_number_in_a_path_is_finite_and_ascii(server: LiveServer, text: str) -> None:
    assert server.ask(get(f"/float/{text}")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/json", "GET, HEAD"),
        ("POST", "/text", "DELETE, GET, HEAD, PUT"),
        ("GET", "/only-post", "POST"),
        ("HEAD", "/only-post", "POST"),
        ("OPTIONS", "/number/1", "GET, HEAD"),
        ("POST", "/ws", "GET"),
        ("GET", "/brew", "BREW"),
    ],
)
def test_a_method_that_a_path_has_not_is_405_with_allow(
    server: LiveServer, method: str, path: str, allowed: str
) -> None:
    reply = server.ask(get(path).replace(b"GET", method.encode(), 1), method=method)
    assert (reply.status, reply["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/text", "/missing"])
def test_an_unknown_method_is_501(server: LiveServer, path: str) -> None:
    assert server.ask(get(path).replace(b"GET", b"FROBNICATE", 1)).status == 501


def test_methods_are_case_sensitive(server: LiveServer) -> None:
    assert server.ask(get("/text").replace(b"GET", b"get", 1)).status == 501


def test_a_method_of_ones_own(server: LiveServer) -> None:
    assert server.ask(get("/brew").replace(b"GET", b"BREW", 1)).body == b"tea"


def test_put_and_delete(server: LiveServer) -> None:
    for method in (b"PUT", b"DELETE"):
        assert server.ask(post(b"", path="/text").replace(b"POST", method, 1)).body == method


def test_an_encoded_slash_is_no_separator_of_the_pattern(server: LiveServer) -> None:
    # It belongs to the parameter it stands in, or to no route: never to two parameters.
    reply = server.ask(get("/name/a%2Fb"))
    assert reply.status == 404


@pytest.mark.parametrize("pattern", ["text", "", "{name}"])
def test_a_pattern_begins_with_a_slash(pattern: str) -> None:
    with pytest.raises(ValueError, match="begins with a slash"):
        tether.App().get(pattern)(lambda request: "")


def test_a_pattern_names_what_its_handler_takes() -> None:
    with pytest.raises(ValueError, match="does not take"):
        tether.App().get("/{name}")(lambda request: "")


def test_the_first_route_that_fits_wins() -> None:
    routes = Routes()

    def plain(request: tether.Request) -> str:
        return ""

    def pattern(request: tether.Request, name: str) -> str:
        return ""

    routes.add("/{name}", {"GET"}, pattern)
    routes.add("/plain", {"GET"}, plain)
    found = routes.find("GET", "/plain")
    assert found is not None
    assert found[0].handler is plain
