"""A real loop beside the model: whatever the loop does is told to the model, which judges it.

Callbacks follow scripts: lists of acts, a tuple each, the name of a method of `Acts` and what it
is given. Knows no hypothesis.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

import tether
from tests.engine.scope_clients import Client
from tests.engine.scope_model import UNKNOWN, Model, Scope, Task, Timer, Watch
from tether.engine.lifecycle import CLOSED, CLOSING, OPEN

Act = tuple[Any, ...]
Script = list[Act]

MINE: ContextVar[str] = ContextVar("mine", default="")
EXITS = (KeyboardInterrupt, SystemExit)


class Failure(Exception):
    """What callbacks raise here."""


class WatchedTask(asyncio.Task[None]):
    """A task that says when it is cancelled."""

    world: World
    task: Task

    def set_name(self, value: object) -> None:
        if value is not None:  # 3.13's loop gives a factory's task the name that nobody gave
            super().set_name(value)

    def cancel(self, msg: Any | None = None) -> bool:
        self.world.cancelled(self.task)
        return super().cancel(msg)


class Abandonments(logging.Handler):
    """The log's line about tasks that stayed too long."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("%s: abandoned") and isinstance(record.args, tuple):
            self.world.abandoned(str(record.args[0]), str(record.args[2]).split(", "))


class World:
    """The loop, the model, and what connects them."""

    def __init__(self, poller: str) -> None:
        self.loop = tether.Loop(poller=poller)
        self.loop.set_task_factory(self.make_task)  # type: ignore[arg-type]  # 3.12 gives more
        self.loop.set_exception_handler(self.on_report)
        self.model = Model()
        self.real: dict[Scope, tether.Scope] = {self.model.root: self.loop.scope}
        self.timers: list[tuple[Timer, tether.Timer]] = []
        self.tasks: list[WatchedTask] = []
        self.coming: dict[Coroutine[Any, Any, None], Task] = {}
        self.clients: dict[Scope, Client] = {}
        self.wrote: set[Scope] = set()
        """The streams that took what was sent."""
        self.contexts: dict[Scope, str] = {}
        self.exits: list[BaseException] = []
        self.was_cut = False
        """Whether an exit left the latest pass."""
        self.trace: list[str] = []
        self.turn = 0
        self.count = 0
        self.in_timer = False
        self.by_user = False
        self.log = Abandonments(self)
        logging.getLogger("tether").addHandler(self.log)
        self.watch(self.model.root)

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}"

    def turn_once(self) -> bool:
        """One pass of the loop; whether it was a whole one. An exit leaves it, it can run again."""
        self.turn += 1
        now = self.loop.time()
        due = [
            (timer, timer.fired)
            for timer, _ in self.timers
            if timer.owner is not None and now >= timer.latest + timer.seconds
        ]
        self.see_output()
        finishing = self.model.finishing()
        watches = [watch for watch in self.due_watches() if watch.owner is not None]
        for watch in watches:
            watch.is_due = True
        looked = self.run_pass()
        if not self.exits:
            for timer, fired in due:
                is_late = timer.owner is not None and timer.fired == fired
                self.model.expect(not is_late, f"{timer.name} was due and did not fire")
            for watch in watches if looked else ():
                is_late = watch.is_due and watch.owner is not None
                self.model.expect(not is_late, f"{watch.name} was not told")
            for scope in finishing:
                self.model.expect(scope.state == CLOSED, f"{scope.name} took a pass too many")
        self.in_timer = False
        self.notice()
        self.see_output()
        if not self.exits:
            self.model.passed(now, self.loop.time())
        self.compare()
        return looked and not self.exits

    def run_pass(self) -> bool:
        """Run the loop once; whether it looked for events.

        After an exit it need not: it serves what the exit left of those it had found before.
        """
        looks: list[bool] = []
        probe = None
        if self.was_cut and self.model.root.state == OPEN:
            probe = self.loop.on_check(lambda: looks.append(True))
        must_look, self.was_cut = not self.was_cut, False
        self.exits.clear()
        try:
            self.loop.run_once(block=False)
        except EXITS as error:
            self.model.expect(error in self.exits, f"{error!r} left the loop")
            self.was_cut = True
        else:
            self.model.expect(self.exits == [], f"{self.exits} did not leave the loop")
        finally:
            if probe is not None:
                probe.cancel()
        return must_look or bool(looks)

    def see_output(self) -> None:
        """A stream takes its time until all is sent."""
        for scope in self.clients:
            stream = self.real[scope]
            assert isinstance(stream, tether.Stream)
            scope.is_settled = scope.is_aborted or stream.buffered == 0

    def due_watches(self) -> list[Watch]:
        """Those that the next pass has something to tell."""
        return []

    def check(self) -> None:
        """No promise was broken; else say which, and what was done before."""
        if self.model.faults:
            raise AssertionError("\n".join([*self.model.faults[:3], "after", *self.trace[-30:]]))

    def compare(self) -> None:
        """The loop and the model are of one mind."""
        for scope, real in self.real.items():
            self.model.expect(
                scope.state == real.state, f"{scope.name} is {real.state}, should be {scope.state}"
            )
        self.model.expect(
            self.model.cancels == [], f"not cancelled: {[one.name for one in self.model.cancels]}"
        )

    def compare_trees(self) -> None:
        """`tree()` has everything, in its place, in the order in which it came."""
        lines = self.loop.tree().splitlines() if self.model.root.state != CLOSED else []
        expected = self.model.root.tree() if lines else []
        same = len(lines) == len(expected) and all(
            line.startswith(start) for line, start in zip(lines, expected, strict=True)
        )
        self.model.expect(same, f"the tree is {lines}, should be {expected}")

    # What the loop does, told to the model.

    def notice(self) -> None:
        """Streams may end by themselves, once their peer has left."""
        ended = [
            scope
            for scope in self.clients
            if scope.state == OPEN and self.real[scope].state != OPEN
        ]
        for scope in sorted(ended, key=lambda one: -one.depth_in_tree()):
            cause = self.real[scope].error
            if any(
                other is not scope and other.owns(scope) and self.real[other].error is cause
                for other in ended
            ):
                continue  # it ends with the stream that owns it, which ended by itself
            self.model.expect(self.clients[scope].has_left, f"{scope.name} closed by nobody")
            self.model.close(scope, cause, self.loop.time())
            if cause is not None:
                self.model.abandon(scope)
        for scope in self.wrote:
            cause = self.real[scope].error
            if scope.state == CLOSING and scope.cause is None and cause is not None:
                self.flush_failed(scope, cause)

    def flush_failed(self, scope: Scope, cause: BaseException) -> None:
        """An orderly close whose flush failed, as the peer had left, has that as its cause."""
        is_known = self.clients[scope].has_left and isinstance(cause, tether.NetworkError)
        self.model.expect(is_known, f"{scope.name} closed with {cause!r}, not with None")
        scope.cause = cause
        self.model.abandon(scope)

    def cancelled(self, task: Task) -> None:
        if not self.by_user:
            self.notice()
            self.model.cancelled(task)

    def abandoned(self, name: str, names: list[str]) -> None:
        self.notice()
        found = [scope for scope in self.real if scope.name == name]
        self.model.lingered(found[0], names, self.loop.time())

    def on_report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.notice()
        error = context.get("exception")
        if not isinstance(error, Failure):
            self.model.faults.append(f"logged: {context}")
            return
        session = self.model.reported(error)
        try:
            if "never retrieved" not in context["message"]:
                self.follow(error.args[1], self.model.root)
        finally:
            if session is not None:
                self.model.close(session, error, self.loop.time())

    def make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> WatchedTask:
        task = WatchedTask(coroutine, loop=loop, **options)
        task.world = self
        task.task = self.coming.pop(coroutine)
        task.set_name(task.task.name)
        owner, task.task.owner = task.task.owner, None
        assert owner is not None
        self.model.add(owner, task.task)
        self.tasks.append(task)
        task.add_done_callback(self.ended)
        return task

    def ended(self, task: asyncio.Task[None]) -> None:
        assert isinstance(task, WatchedTask)
        self.notice()
        self.tasks.remove(task)
        error = None if task.cancelled() else task.exception()
        self.model.ends(task.task, error, task.cancelled(), self.loop.time())

    # Callbacks.

    def enter(self, scope: Scope, what: str) -> None:
        self.notice()
        self.model.runs(scope, what)
        self.model.expect(MINE.get() == self.contexts[scope], f"{what} ran in {MINE.get()}")
        MINE.set(what)
        self.contexts[scope] = what

    def follow(self, script: Script, me: Scope, *, only_logged: bool = False) -> None:
        """Do what the script says. What it raises is meant to be raised."""
        self.notice()
        try:
            for what, *given in script:
                self.trace.append(f"pass {self.turn}, {me.name}: {what} {given}")
                try:
                    getattr(self, what)(me, *given)
                except (Failure, *EXITS):
                    raise
                except Exception as error:
                    self.model.faults.append(f"{what}{given} in {me.name}: {error!r}")
        except Failure as error:
            if only_logged:
                self.model.only_logged(error)
            raise

    def callback(self, scope: Scope, what: str, script: Script) -> None:
        self.enter(scope, what)
        try:
            self.follow(script, scope)
        except Failure as error:
            self.model.fails(error, scope, self.loop.time())
            raise

    def watch(self, scope: Scope) -> None:
        """Look at the end of a scope, before its other closers do."""

        def closed(cause: BaseException | None) -> None:
            self.notice()
            real = self.real[scope]
            if scope.cause is UNKNOWN:
                scope.cause = cause
            self.model.expect(real.state == CLOSED, f"{scope.name} tells of its end too early")
            self.model.expect(real.error is cause, f"{scope.name}.error is not what it told")
            self.model.closed(scope, cause)
            self.model.told(scope, "watch", cause)

        scope.closers.append("watch")
        self.contexts.setdefault(scope, MINE.get())
        self.real[scope].on_close(closed)
