"""The servers of these tests: each stops with its test, and none may log a problem unasked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tether
from tests.http.live_server import LiveServer, Serve, mirror_app


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(app, **limits)` starts a server; a test that causes a problem takes it from
    `server.problems`."""
    servers: list[LiveServer] = []

    def start(app: tether.App, **limits: Any) -> LiveServer:
        server = LiveServer(app, **limits)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()
    for server in servers:
        assert server.messages() == []


@pytest.fixture
def mirror(serve: Serve) -> LiveServer:
    """A server whose every answer says what it understood of the request."""
    return serve(mirror_app())
