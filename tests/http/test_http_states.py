"""The state table of a connection (http/states.py), driven over every transition on a real one.

The phase is read from `loop.tree()`; a transition that the table does not have cannot be seen.
"""

from __future__ import annotations

import asyncio
import re

import pytest

import tether
from tests.http.live_server import LiveServer, Peer, Serve, get, post
from tether.http.states import (
    BODY,
    CONNECTION,
    ENDING,
    HEAD,
    IDLE,
    RUNNING,
    STATES,
    UPGRADED,
)

UPGRADE = get(
    "/ws",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class Probe:
    """A server whose handler waits at a gate, and the phases its one connection was seen in."""

    def __init__(self, serve: Serve) -> None:
        app = tether.App()
        self.gate = asyncio.Event()
        self.during_upgrade = ""

        @app.get("/gate")
        @app.post("/")
        async def wait(request: tether.Request) -> str:
            await self.gate.wait()
            return "open"

        @app.websocket("/ws")
        def session(ws: tether.WebSocket) -> None:
            self.during_upgrade = self.phase()

        self.server: LiveServer = serve(app)
        self.peer: Peer = self.server.peer()
        self.expect(IDLE)

    def phase(self) -> str:
        found = re.search(r"\bconnection \S+ \S+ s (\w+)", self.server.loop.tree())
        return found[1] if found else ""

    def expect(self, phase: str) -> None:
        assert phase in STATES
        self.server.until(lambda: self.phase() == phase)

    def expect_end(self) -> None:
        # The peer has not closed: the connection stays in ENDING until it has, or for a while.
        self.expect(ENDING)
        self.peer.half_close()
        self.peer.rest()
        self.server.until(self.server.is_idle)


@pytest.fixture
def probe(serve: Serve) -> Probe:
    return Probe(serve)


def idle_to_head(probe: Probe) -> None:
    probe.peer.send(b"GET /gate HT")
    probe.expect(HEAD)


def idle_to_ending(probe: Probe) -> None:
    probe.peer.half_close()
    assert probe.peer.rest() == b""
    probe.server.until(probe.server.is_idle)


def head_to_body(probe: Probe) -> None:
    probe.peer.send(post(b"12345")[:-2])
    probe.expect(BODY)


def head_to_running(probe: Probe) -> None:
    idle_to_head(probe)
    probe.peer.send(b"TP/1.1\r\nHost: a\r\n\r\n")
    probe.expect(RUNNING)


def head_to_ending(probe: Probe) -> None:
    idle_to_head(probe)
    probe.peer.send(b"\0")
    probe.expect_end()


def body_to_running(probe: Probe) -> None:
    head_to_body(probe)
    probe.peer.send(b"45")
    probe.expect(RUNNING)


def body_to_ending(probe: Probe) -> None:
    probe.peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    probe.expect(BODY)
    probe.peer.send(b"nonsense")
    probe.expect_end()


def running_to_idle(probe: Probe) -> None:
    head_to_running(probe)
    probe.server.call(probe.gate.set)
    probe.expect(IDLE)
    assert probe.peer.reply().body == b"open"


def running_to_ending(probe: Probe) -> None:
    probe.peer.send(get("/gate", "Connection: close"))
    probe.expect(RUNNING)
    probe.server.call(probe.gate.set)
    probe.expect_end()


def running_to_upgraded(probe: Probe) -> None:
    probe.peer.send(UPGRADE)
    assert probe.peer.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert probe.during_upgrade == UPGRADED
    probe.server.until(lambda: probe.phase() == "" and probe.server.server.sessions == 1)


DRIVEN = {
    (IDLE, HEAD): idle_to_head,
    (IDLE, ENDING): idle_to_ending,
    (HEAD, BODY): head_to_body,
    (HEAD, RUNNING): head_to_running,
    (HEAD, ENDING): head_to_ending,
    (BODY, RUNNING): body_to_running,
    (BODY, ENDING): body_to_ending,
    (RUNNING, IDLE): running_to_idle,
    (RUNNING, ENDING): running_to_ending,
    (RUNNING, UPGRADED): running_to_upgraded,
}


def test_every_transition_of_the_table_is_driven() -> None:
    table = {(state, following) for state in CONNECTION for following in CONNECTION[state]}
    assert table == set(DRIVEN)
    assert set(CONNECTION) == set(STATES)


@pytest.mark.parametrize(("state", "following"), DRIVEN, ids=str)
def test_transition(probe: Probe, state: str, following: str) -> None:
    DRIVEN[state, following](probe)


@pytest.mark.parametrize("state", [IDLE, HEAD, BODY, RUNNING])
def test_the_server_stops_in_every_state(probe: Probe, state: str) -> None:
    {
        IDLE: lambda: None,
        HEAD: lambda: idle_to_head(probe),
        BODY: lambda: head_to_body(probe),
        RUNNING: lambda: head_to_running(probe),
    }[state]()
    probe.server.begin_to_stop()
    probe.server.call(probe.gate.set)
    probe.peer.rest()
    probe.server.until(probe.server.is_idle)


@pytest.mark.parametrize("state", [IDLE, HEAD, BODY, RUNNING])
def test_the_client_resets_in_every_state(probe: Probe, state: str) -> None:
    {
        IDLE: lambda: None,
        HEAD: lambda: idle_to_head(probe),
        BODY: lambda: head_to_body(probe),
        RUNNING: lambda: head_to_running(probe),
    }[state]()
    probe.peer.reset()
    probe.server.until(probe.server.is_idle)
