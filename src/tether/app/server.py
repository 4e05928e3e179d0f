"""A running server: a listener with an application behind it.

Knows no routes and no protocol's bytes.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, Protocol

from tether.engine.scope import Scope, current_scope
from tether.http.connection import Request, Service
from tether.http.messages import Response
from tether.stream.binding import bind
from tether.stream.certificates import Certificates
from tether.stream.listener import Listener


class Application(Protocol):
    """What a server needs of an application."""

    start_hooks: list[Callable[[Server], Any]]

    def handle(self, request: Request) -> Any:
        """Answer a request: a `Response`, a coroutine, or None after an upgrade."""

    def convert(self, value: Any) -> Response:
        """The response that a handler's result means."""


class Server(Listener):
    """A listener that speaks HTTP and WebSocket: a scope that owns its connections and sessions.

    Args:
        application: whose `handle` answers the requests.
        address: one or several, as `tether.listen` takes them: "host:port" (port 0 picks one).
        owner: the scope above; the default is that of the running handler, else the root.
        reuse_port: share the port with other sockets that say so too.
        ssl: TLS (https and wss): a context, or `Certificates`, which can be reloaded.
        max_per_address: connections from one address at once; more are reset.
        limits: as `tether.http.connection.Service` takes them.

    Raises:
        LocalError: the address is taken or not permitted.
    """

    def __init__(
        self,
        application: Application,
        address: str | Iterable[str],
        *,
        owner: Scope | None = None,
        reuse_port: bool = False,
        ssl: SSLContext | Certificates | None = None,
        max_per_address: int | None = None,
        **limits: Any,
    ) -> None:
        self.service = Service(application.handle, convert=application.convert, **limits)
        self.scheme = "http" if ssl is None else "https"
        addresses = [address] if isinstance(address, str) else list(address)
        bound = bind(addresses, reuse_port=reuse_port)
        try:
            super().__init__(
                bound,
                owner=owner or current_scope.get(None),
                name=f"server {', '.join(addresses)}",
                max_per_address=max_per_address,
                ssl=ssl,
            )
        except BaseException:
            for one in bound:
                one.close()
            raise
        self.service.attach_to(self)

    @property
    def url(self) -> str:
        """The link to the root page, or the address of a Unix socket."""
        return (
            self.address if self.address.startswith("unix:") else f"{self.scheme}://{self.address}"
        )

    @property
    def sessions(self) -> int:
        """WebSocket sessions that are open."""
        return self.service.sessions

    @property
    def connections(self) -> int:
        """HTTP connections that are open, without the sessions they became."""
        return self.service.connections


@asynccontextmanager
async def serving(
    application: Application, address: str | Iterable[str], **limits: Any
) -> AsyncIterator[Server]:
    """A server for as long as the context lasts; closed gracefully at its end."""
    server = Server(application, address, **limits)
    try:
        for hook in application.start_hooks:
            started = hook(server)
            if inspect.iscoroutine(started):
                await started
        server.start()
        yield server
    finally:
        server.close()
        await server.wait_closed()
