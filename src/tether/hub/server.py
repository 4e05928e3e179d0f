"""The device server: the hub behind addresses (`/`, `/ws`, `/api/`, `/metrics`, `/healthz`).

It must not know the command line or the engine: it builds an `App` from settings.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec

from tether.app.app import App
from tether.app.server import Server
from tether.config import metrics as metrics_format
from tether.config.settings import Settings
from tether.http.connection import Request
from tether.http.messages import Response
from tether.hub import protocol
from tether.hub.access import Policy, is_loopback, split_host
from tether.hub.broadcast import Broadcast
from tether.hub.hub import Hub
from tether.hub.loop_metrics import LoopMetrics
from tether.hub.page_files import CONTENT_SECURITY_POLICY, PageFile, page_files
from tether.hub.rest import Answer, Rest
from tether.hub.session import Session
from tether.websocket.session import WebSocket

__all__ = ["build", "limits_of"]

_log: Final = logging.getLogger("tether.hub.server")

_PAGE_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept, but asked for again each time: the answer is a short 304.
    "Cache-Control": "no-cache",
}
_DATA_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def build(settings: Settings, *, hub: Hub | None = None, version: str = "") -> App:
    """Build the device server's application; `hub` replaces the one the settings describe.

    Raises `ConfigError` where the settings name a device that cannot be.
    """
    hub = Hub(settings) if hub is None else hub
    app = App()
    broadcast = Broadcast(hub.registry)
    server = _Server(settings, hub, broadcast, version)
    loop_metrics = LoopMetrics(hub.metrics)

    @app.on_start
    def start(scope: Server) -> None:
        loop_metrics.watch(scope.loop)
        hub.start(scope)
        broadcast.start(scope)
        scope.on_close(lambda _: server.stop())

    app.before(server.admit)
    for name, file in page_files().items():
        path = "/" if name == "index.html" else f"/{name}"
        app.get(path)(server.page(file))
    app.get("/api/devices")(server.devices)
    app.get("/api/devices/{device_id}")(server.device)
    app.post("/api/devices/{device_id}")(server.command)
    app.get("/api/history/{device_id}")(server.history)
    app.get("/metrics")(server.metrics)
    app.get("/healthz")(server.alive)
    app.get("/readyz")(server.ready)
    limits = settings.limits
    app.websocket(
        "/ws",
        protocols=(protocol.SUBPROTOCOL,),
        # Judged by `admit` already, by a list that the settings add to.
        origins=("*",),
        message_limit=limits.message_bytes,
        write_high=limits.write_high,
        write_low=limits.write_low,
    )(server.session)
    return app


def limits_of(settings: Settings) -> dict[str, Any]:
    """The limits that the engine itself holds, as keyword arguments of `tether.serve`."""
    return {
        "max_connections": settings.server.max_connections,
        "body_limit": settings.limits.message_bytes,
    }


class _Server:
    """The handlers; each has the form that `App` calls."""

    def __init__(self, settings: Settings, hub: Hub, broadcast: Broadcast, version: str) -> None:
        self._settings = settings
        self._hub = hub
        self._broadcast = broadcast
        self._version = version
        self._stopped = False
        server = settings.server
        self._policy = Policy(hosts=server.hosts, origins=server.origins, insecure=server.insecure)
        metrics = hub.metrics
        self._refused = metrics.counter(
            "tether_commands_refused_total", "Commands refused because a client sent too many."
        )
        self._slow = metrics.counter(
            "tether_slow_clients_total", "Clients disconnected because they stayed too slow."
        )
        sessions = metrics.gauge("tether_sessions", "WebSocket sessions that are open.")
        metrics.collect(lambda: sessions.set(len(broadcast)))
        self._rest = Rest(hub, limits=settings.limits, refused=self._refused)

    def stop(self) -> None:
        """Not ready any more."""
        self._stopped = True

    def admit(self, request: Request) -> Response | None:
        """Judge a request before it is routed."""
        refusal = self._policy.check(request)
        if refusal is None:
            # Sessions are not connections to the engine any more, but they count here.
            if request.upgrade and len(self._broadcast) >= self._settings.server.max_connections:
                return _text("too many sessions", 503)
            return None
        _log.info(
            "request refused",
            extra={"peer": request.peer, "status": refusal.status, "why": refusal.message},
        )
        return _text(refusal.message, refusal.status)

    # -- the page

    @staticmethod
    def page(file: PageFile) -> Any:
        """Make the handler of one file of the page."""
        headers = _PAGE_HEADERS | {"ETag": file.tag}

        def answer(request: Request) -> Response:
            if file.is_known_as(request.headers.get("If-None-Match")):
                return Response(status=304, headers=headers)
            return Response(file.body, headers=headers, content_type=file.content_type)

        return answer

    # -- live

    def session(self, socket: WebSocket) -> None:
        """Serve a client that opened `/ws`."""
        Session(
            socket,
            self._hub,
            self._broadcast,
            limits=self._settings.limits,
            describe=self._describe,
            sender=_sender(socket.peer, "websocket"),
            refused=self._refused,
            slow=self._slow,
        ).start()

    def _describe(self) -> protocol.ServerMessage:
        return protocol.ServerMessage(self._settings.hub.name, self._version, self._hub.started)

    # -- for programs

    def devices(self, request: Request) -> Response:
        """`GET /api/devices`."""
        return _json(self._rest.devices())

    def device(self, request: Request, device_id: str) -> Response:
        """`GET /api/devices/{id}`."""
        return _json(self._rest.device(device_id))

    async def command(self, request: Request, device_id: str) -> Response:
        """`POST /api/devices/{id}`."""
        answer = await self._rest.command(
            device_id,
            request.body,
            content_type=request.headers.get("Content-Type") or "",
            client=split_host(request.peer)[0],
            sender=_sender(request.peer, "http"),
        )
        return _json(answer)

    def history(self, request: Request, device_id: str) -> Response:
        """`GET /api/history/{id}?seconds=3600`."""
        return _json(self._rest.history(device_id, request.query.get("seconds")))

    # -- for whoever runs it

    def metrics(self, request: Request) -> Response:
        """`GET /metrics`, in the Prometheus text format."""
        body = self._hub.metrics.render().encode()
        return Response(body, headers=_DATA_HEADERS, content_type=metrics_format.CONTENT_TYPE)

    def alive(self, request: Request) -> Response:
        """`GET /healthz`: the process answers."""
        return _text("ok")

    def ready(self, request: Request) -> Response:
        """`GET /readyz`: devices are being read."""
        if self._hub.started and not self._stopped:
            return _text("ready")
        return _text("not ready", 503)


def _sender(peer: str, over: str) -> str:
    who = "local" if is_loopback(split_host(peer)[0]) else "anonymous"
    return f"{who} {peer} {over}"


def _json(answer: Answer) -> Response:
    return Response(
        msgspec.json.encode(answer.body),
        answer.status,
        headers=_DATA_HEADERS | answer.headers,
        content_type="application/json",
    )


def _text(text: str, status: int = 200) -> Response:
    return Response(
        f"{text}\n".encode(),
        status,
        headers=_DATA_HEADERS,
        content_type="text/plain; charset=utf-8",
    )
