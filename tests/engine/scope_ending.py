"""How the scope properties come to rest and to their end: nothing may be left.

Knows what can be done, and what there is after it, no hypothesis.
"""

from __future__ import annotations

import gc
import logging
import warnings
import weakref
from contextlib import suppress

from tests.engine.scope_model import Scope, Task
from tests.engine.scope_sources import Sources
from tests.engine.scope_world import EXITS
from tether.engine.lifecycle import CLOSED, OPEN

PATIENCE = 8.0
LINGER = 0.005  # longer than the shorter ones of `LINGERS`
LINGERS = (0, 0.003, 5.0, None)


class Ending(Sources):
    """A world that can be left."""

    def open_gates(self) -> None:
        for gate in self.gates:
            if not gate.done():
                gate.set_result(None)
        self.gates.clear()

    def settle(self) -> None:
        """Passes until only what has a right to wait still does so: each pass is judged."""
        left = 12 + 3 * self.model.root.depth()
        end = self.loop.time() + PATIENCE
        while (left > 0 or self.is_expecting()) and self.loop.time() < end:
            left -= self.turn_once()
        self.model.expect(not self.is_expecting(), "bytes were sent and never received")

    def is_expecting(self) -> bool:
        return any(
            scope.state == OPEN and self.received[scope] < client.sent
            for scope, client in self.clients.items()
            if scope not in self.paused and scope not in self.driven
        )

    def end(self, how: str) -> None:
        """Close everything, gracefully, at once, or by closing the loop; all of it is told."""
        root = self.model.root
        soon = self.loop.time() + LINGER
        while self.loop.time() < soon:
            self.turn_once()
        self.settle()  # whoever lingered, its time is over
        if how == "shut":
            self.shut()
        else:
            self.exits.clear()
            try:
                self.close_scope(root, False, how == "abort")
            except EXITS as error:
                assert error in self.exits
        end = self.loop.time() + PATIENCE
        while how != "shut" and (root.state != CLOSED or self.tasks) and self.loop.time() < end:
            self.open_gates()
            for client in self.unclosed:
                client.read()
            self.turn_once()
        expect = self.model.expect
        expect(root.state == CLOSED, f"left: {self.loop.tree()}")
        expect(how == "shut" or self.tasks == [], f"tasks are left: {self.tasks}")
        expect(how == "shut" or self.waiting == 0, "somebody was not woken")
        expect(self.model.closings == [], "things were not closed")
        expect(not self.model.failures, f"not logged: {list(self.model.failures)}")
        for scope, real in self.real.items():
            expect(real.state == CLOSED, f"{scope.name} is {real.state} in the end")
            expect(scope.closers == [], f"not told: {scope.closers}")
        counts = self.loop.counts
        expect(counts.pending_timers == 0, f"{counts.pending_timers} timers are left")
        expect(counts.watches == 0, f"{counts.watches} watches are left")
        if how != "shut":
            self.loop.close()

    def shut(self) -> None:
        """Close the loop under all that is open: it says so once."""
        root = self.model.root
        is_told = any(isinstance(member, Scope | Task) for member in root.members)
        self.model.abort(root, None, self.loop.time())
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                self.loop.close()
            except EXITS as error:
                assert error in self.exits
        kinds = [warning.category for warning in told]
        self.model.expect(kinds == [ResourceWarning] * is_told, f"closing the loop told {told}")

    def survivors(self) -> list[str]:
        """The scopes that outlive the last reference to them."""
        watched = [(scope.name, weakref.ref(real)) for scope, real in self.real.items()]
        for scope in self.real:
            scope.cause = None
        self.dispose()
        gc.collect()
        return [name for name, reference in watched if reference() is not None]

    def dispose(self) -> None:
        """Let go of everything."""
        logging.getLogger("tether").removeHandler(self.log)
        for client in self.unclosed:
            client.leave("close")
        for pair in self.pairs:
            pair.close()
        for task in self.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            assert coroutine is not None
            coroutine.close()
        if hasattr(self, "loop"):
            with warnings.catch_warnings(), suppress(*EXITS):
                warnings.simplefilter("ignore")  # open where a promise was broken: that is told
                self.loop.close()
            del self.loop
        for kept in (
            self.real,
            self.timers,
            self.tasks,
            self.clients,
            self.coming,
            self.gates,
            self.watches,
            self.wrote,
        ):
            kept.clear()
        self.exits.clear()
        self.model.failures.clear()
