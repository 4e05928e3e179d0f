"""What the scripts of the scope properties can watch: descriptors, a signal, the loop's passes.

Knows socket pairs and one signal, no stream and no hypothesis.
"""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from typing import Any

import tether
from tests.engine.scope_acts import Acts
from tests.engine.scope_model import Scope, Watch
from tests.engine.scope_world import Script
from tether.engine.lifecycle import OPEN


class Pair:
    """Two sockets: one is watched, the other is the world's."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.is_readable = False

    def poke(self) -> None:
        self.far.send(b"poke")
        self.is_readable = True

    def read(self) -> None:
        self.is_readable = False
        with suppress(BlockingIOError):
            self.near.recv(100)

    def close(self) -> None:
        self.near.close()
        self.far.close()


class Sources(Acts):
    """A world with more to hear of."""

    def __init__(self, poller: str) -> None:
        super().__init__(poller)
        self.pairs = [Pair(), Pair()]
        self.watches: list[tuple[Watch, Any, Pair | None]] = []

    def due_watches(self) -> list[Watch]:
        return [
            watch
            for watch, _, pair in self.watches
            if watch.is_due or (pair is not None and pair.is_readable)
        ]

    def start(
        self, owner: Scope, watch: Watch, pair: Pair | None, begin: Any, script: Script
    ) -> None:
        """Watch with a callback that follows the script."""

        def tell(*_: object) -> None:
            scope = watch.owner
            self.notice()
            self.model.tells(watch)
            if pair is not None:
                pair.read()
            if watch.name in (
                "<on_prepare",
                "<on_check",
            ):  # once is enough, it would be told in every pass
                watch.leave()
                real.cancel()
            if scope is not None:
                self.callback(scope, self.name("watch"), script)

        real = self.attempt(owner, lambda: begin(tell))
        if real is not None:
            self.model.add(owner, watch)
            self.watches.append((watch, real, pair))

    def watch_pair(self, me: Scope, index: int, number: int, script: Script) -> None:
        """Several may watch one descriptor."""
        owner, pair = self.scope(me, index), self.pairs[number]
        real = self.real[owner]
        watch = Watch("<Watch")
        self.start(
            owner, watch, pair, lambda tell: real.watch(pair.near, tether.READ, tell), script
        )

    def watch_signal(self, me: Scope, index: int, script: Script) -> None:
        owner = self.scope(me, index)
        real = self.real[owner]
        self.start(
            owner,
            Watch("<on_signal"),
            None,
            lambda tell: real.on_signal(signal.SIGUSR1, tell),
            script,
        )

    def watch_passes(self, me: Scope, index: int, prepares: bool, script: Script) -> None:
        owner = self.scope(me, index)
        real = self.real[owner]
        hook = self.loop.on_prepare if prepares else self.loop.on_check
        name = "<on_prepare" if prepares else "<on_check"
        self.start(owner, Watch(name), None, lambda tell: hook(tell, owner=real), script)

    def cancel_watch(self, me: Scope, index: int) -> None:
        if self.watches:
            watch, real, _ = self.watches[index % len(self.watches)]
            watch.leave()
            real.cancel()
            self.model.expect(not real.active, f"{watch.name} is active after its cancel")

    def poke(self, me: Scope, number: int) -> None:
        self.pairs[number].poke()

    def raise_signal(self, me: Scope) -> None:
        """All who watch it are told, whatever one of them does then."""
        for watch, _, _ in self.watches:
            if watch.name == "<on_signal" and watch.owner is not None and watch.owner.state == OPEN:
                watch.is_due = True
        if any(
            watch.name == "<on_signal" and watch.owner is not None for watch, _, _ in self.watches
        ):
            signal.raise_signal(signal.SIGUSR1)
