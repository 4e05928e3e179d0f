"""The application people write: handlers for paths. Knows requests and sessions, no socket."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from tether.app.routes import Handler, Route, Routes
from tether.app.server import Server, serving
from tether.http.connection import Request
from tether.http.messages import HTTPError, Response
from tether.websocket.handshake import accept
from tether.websocket.session import WebSocket

H = TypeVar("H", bound=Handler)

_KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"}
)

_UPGRADED = object()  # the request became a session: there is nothing to answer


class App:
    """Handlers for paths: plain or async functions.

    >>> import tether
    >>> app = tether.App()
    >>> @app.get("/hello/{name}")
    ... def hello(request, name: str):
    ...     return f"hello {name}"
    """

    def __init__(self) -> None:
        self.routes = Routes()
        self.start_hooks: list[Callable[[Server], Any]] = []
        self.request_hooks: list[Callable[[Request], Any]] = []

    def route(self, path: str, *, methods: Iterable[str]) -> Callable[[H], H]:
        """Register a handler for `path`, whose `{names}` become its arguments.

        The handler gets the `Request` and returns `str`, `bytes`, a JSON value or a `Response`.
        """

        def register(handler: H) -> H:
            self.routes.add(path, set(methods), handler)
            return handler

        return register

    def get(self, path: str) -> Callable[[H], H]:
        """A handler for GET, and HEAD, of `path`."""
        return self.route(path, methods=("GET",))

    def post(self, path: str) -> Callable[[H], H]:
        """A handler for POST of `path`."""
        return self.route(path, methods=("POST",))

    def put(self, path: str) -> Callable[[H], H]:
        """A handler for PUT of `path`."""
        return self.route(path, methods=("PUT",))

    def delete(self, path: str) -> Callable[[H], H]:
        """A handler for DELETE of `path`."""
        return self.route(path, methods=("DELETE",))

    def websocket(self, path: str, **options: Any) -> Callable[[H], H]:
        """A handler for WebSocket sessions of `path`; it gets the `WebSocket`.

        An async handler is the session's driver: its return closes with 1000, its exception with
        1011. A plain handler sets callbacks; its return leaves the session open.

        Args:
            options: as `tether.websocket.accept` takes them: `protocols`, `origins`, limits.
        """

        def register(handler: H) -> H:
            self.routes.add(path, {"GET"}, handler, options)
            return handler

        return register

    def on_start(self, hook: H) -> H:
        """Call `hook(server)` when a server of this app listens, before it accepts.

        The `Server` is a scope: what the hook starts under it ends with the server.
        """
        self.start_hooks.append(hook)
        return hook

    def before(self, hook: H) -> H:
        """Call `hook(request)` before any handler; a `Response` it returns is the answer."""
        self.request_hooks.append(hook)
        return hook

    def listen(
        self, address: str | Iterable[str], **limits: Any
    ) -> AbstractAsyncContextManager[Server]:
        """Serve on `address` while the context lasts: `async with app.listen(...) as server`.

        Args:
            address: one or several, as `tether.listen` takes them: "host:port" (port 0 picks one).
            limits: as `Server` takes them: `ssl`, `max_per_address`, and those of
                `tether.http.connection.Service`.

        Raises:
            LocalError: the address is taken or not permitted.
        """
        return serving(self, address, **limits)

    def handle(self, request: Request) -> Any:
        """Answer a request: a `Response`, a coroutine, or None after an upgrade."""
        try:
            for index, hook in enumerate(self.request_hooks):
                if inspect.iscoroutinefunction(hook):
                    return self._go_on(request, index)
                answer = hook(request)
                if answer is not None:
                    return as_response(answer)
            answer = self._run(request)
            return answer if inspect.iscoroutine(answer) else self._answered(answer)
        except HTTPError as error:
            return error.response()

    def convert(self, value: Any) -> Response:
        """The response that a handler's result means; see `as_response`."""
        return as_response(value)

    async def _go_on(self, request: Request, index: int) -> Response | None:
        # The rest of `handle`, from the first hook that is async.
        for hook in self.request_hooks[index:]:
            answer = hook(request)
            if inspect.iscoroutine(answer):
                answer = await answer
            if answer is not None:
                return as_response(answer)
        answer = self._run(request)
        return self._answered(await answer if inspect.iscoroutine(answer) else answer)

    @staticmethod
    def _answered(answer: Any) -> Response | None:
        return None if answer is _UPGRADED else as_response(answer)

    def _run(self, request: Request) -> Any:
        # What the handler returned: a value or a coroutine, or `_UPGRADED`.
        found = self.routes.find(request.method, request.raw_path)
        if found is None:
            raise self._no_route(request.method, request.raw_path)
        route, arguments = found
        if route.options is not None:
            self._open_session(request, route, arguments)
            return _UPGRADED
        return route.handler(request, **arguments)

    def _open_session(self, request: Request, route: Route, arguments: dict[str, Any]) -> None:
        ws: WebSocket = accept(request, **(route.options or {}))
        ws.run_handler(route.handler, arguments)

    def _no_route(self, method: str, path: str) -> HTTPError:
        allowed = self.routes.allowed(path)
        if method not in _KNOWN_METHODS:
            return HTTPError(501, "unknown method")
        if allowed:
            return HTTPError(405, headers={"Allow": ", ".join(allowed)})
        return HTTPError(404)


def as_response(value: Any) -> Response:
    """What a handler returned, as a `Response`: text, bytes, or a JSON value.

    >>> as_response({"a": 1}).body
    b'{"a":1}'
    """
    if isinstance(value, Response):
        return value
    if isinstance(value, str | bytes):
        return Response(value)
    return Response.json(value)
