"""What scopes promise, as a model in plain Python: it reads as the specification.

Events go in, in the order in which they happened; what may not happen is noted in `faults`, what
still has to happen is in `cancels`, `closings` and `failures`. Knows the table of the life cycle,
no loop and no native object.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from tether.engine.lifecycle import CLOSED, CLOSING, LIFE_CYCLE, OPEN
from tether.errors import Closed, NetworkError

PASSES_OF_A_TASK = 3  # its cancellation, its last step, and its owner is told; then one a level


@dataclass(eq=False)
class Member:
    """What a scope can own; it is among its owner's members until it has ended."""

    name: str
    owner: Scope | None = None

    def leave(self) -> None:
        if self.owner is not None:
            self.owner.members.remove(self)
            self.owner = None


@dataclass(eq=False)
class Timer(Member):
    start: float = 0.0
    seconds: float = 0.0
    repeats: bool = False
    latest: float = 0.0
    """When it was set or fired, at the latest: from here on it is not late for its seconds."""
    fired: int = 0
    set_in_timer: int = -1
    """The pass in which a timer's callback set it, -1 where nobody did so."""


@dataclass(eq=False)
class Watch(Member):
    """A watch of a descriptor, of a signal, or of the loop's passes."""

    told: int = 0
    is_due: bool = False
    """Whether something happened that it was not told yet."""


@dataclass(eq=False)
class Task(Member):
    session: Scope | None = None
    """Of a session's handler: the session that it drives."""
    cancels: int = 0
    stays: bool = False
    """Whether it takes its time after its cancellation."""
    ended: bool = False


@dataclass(eq=False)
class Thing(Member):
    """Anything with `close()`."""

    closed: bool = False


@dataclass(eq=False)
class Scope(Member):
    is_session: bool = False
    linger: float | None = 5.0
    state: str = OPEN
    cause: BaseException | None = None
    members: list[Member] = field(default_factory=list)
    closers: list[str] = field(default_factory=list)
    """Who is told of the close, in the order in which they asked for it."""
    entered: float = 0.0
    seen: float = math.inf
    """When a pass ended and it was closing, the first time."""
    left: int | None = None
    """How many passes its close may still take, since it waited for something at the latest."""
    is_aborted: bool = False
    is_settled: bool = False
    """Whether closing it takes no time of its own: a stream may have to flush."""

    def scopes(self) -> Iterator[Scope]:
        """This scope and all below it."""
        yield self
        for member in list(self.members):
            if isinstance(member, Scope):
                yield from member.scopes()

    def owns(self, member: Member | None) -> bool:
        """Whether it is this scope, or lies below it."""
        while member is not None and member is not self:
            member = member.owner
        return member is self

    def depth_in_tree(self) -> int:
        """How many own it."""
        return 0 if self.owner is None else 1 + self.owner.depth_in_tree()

    def session(self) -> Scope | None:
        """The nearest session at or above: whose failure it is."""
        scope: Scope | None = self
        while scope is not None and not scope.is_session:
            scope = scope.owner
        return scope

    def is_waiting(self) -> bool:
        """Whether something below still has the right to hold up its close."""
        return not self.is_settled or any(
            (isinstance(member, Task) and (member.stays or member.session is not None))
            or (isinstance(member, Scope) and member.is_waiting())
            for member in self.members
        )

    def depth(self) -> int:
        below = [member.depth() for member in self.members if isinstance(member, Scope)]
        return 1 + max(below, default=0)

    def tree(self, depth: int = 0) -> list[str]:
        """What `tree()` says, one line for each member, oldest first."""
        lines = [f"{'  ' * depth}{self.name} {self.state}"]
        for member in self.members:
            if isinstance(member, Scope):
                lines += member.tree(depth + 1)
            else:
                name = f"<Task {member.name}>" if isinstance(member, Task) else member.name
                lines.append(f"{'  ' * (depth + 1)}{name}")
        return lines


class Model:
    """The tree of scopes, and what is owed."""

    def __init__(self) -> None:
        self.root = Scope("loop", is_settled=True)
        self.faults: list[str] = []
        self.cancels: list[Task] = []
        self.closings: list[Thing] = []
        self.failures: dict[BaseException, Scope | None] = {}

    def expect(self, promise: bool, otherwise: str) -> None:
        if not promise:
            self.faults.append(otherwise)

    # The tree.

    def add(self, owner: Scope, member: Member) -> None:
        """Something has a new owner, of which it is the newest member."""
        self.expect(owner.state == OPEN, f"{owner.name} is {owner.state} and got {member.name}")
        member.leave()
        member.owner = owner
        owner.members.append(member)

    # The life cycle: open, closing, closed.

    def step(self, scope: Scope, state: str) -> None:
        self.expect(
            state in LIFE_CYCLE[scope.state], f"{scope.name} went from {scope.state} to {state}"
        )
        scope.state = state

    def close(self, scope: Scope, cause: BaseException | None, now: float) -> None:
        """Closing is entered at once, with all below. The first cause wins."""
        if scope.state != OPEN:
            return
        self.step(scope, CLOSING)
        scope.cause = cause
        scope.entered = now
        for member in reversed(list(scope.members)):  # newest first
            if isinstance(member, Scope):
                self.close(member, cause, now)
            elif isinstance(member, Timer | Watch):
                member.leave()
            elif isinstance(member, Thing):
                member.leave()
                self.closings.append(member)
            elif isinstance(member, Task) and member.session is None:
                self.cancels.append(member)  # one each; a handler is told by its session

    def abort(self, scope: Scope, cause: BaseException | None, now: float) -> None:
        """A close that waits for no task and flushes nothing, here and below."""
        self.close(scope, cause, now)
        self.abandon(scope)

    def abandon(self, scope: Scope) -> None:
        if scope.state == CLOSED or scope.is_aborted:
            return
        scope.is_aborted = scope.is_settled = True
        for member in reversed(list(scope.members)):
            if isinstance(member, Scope):
                self.abandon(member)
            elif isinstance(member, Task):
                if member.session is not None and member.cancels == 0:  # once, whoever is first
                    self.cancels.append(member)
                member.leave()

    def lingered(self, scope: Scope, names: list[str], now: float) -> None:
        """The time of its tasks is over: those that are left are named, and waited for no more."""
        late = [member for member in reversed(scope.members) if isinstance(member, Task)]
        self.expect(scope.state == CLOSING, f"{scope.name} is {scope.state}, and names tasks")
        self.expect([task.name for task in late] == names, f"{scope.name} abandoned {names}")
        if scope.linger is None or now < scope.entered + scope.linger:
            self.faults.append(f"{scope.name} did not linger for {scope.linger} s")
        for task in late:
            task.leave()

    def closed(self, scope: Scope, cause: BaseException | None) -> None:
        """It is closed: all below was closed before, and its tasks have ended."""
        for member in scope.members:
            self.expect(False, f"{scope.name} was closed before {member.name} had ended")
        if isinstance(cause, BaseException) and cause is not scope.cause:
            self.expect(False, f"{scope.name} closed with {cause!r}, not with {scope.cause!r}")
        self.step(scope, CLOSED)
        scope.leave()

    def told(self, scope: Scope, closer: str, cause: BaseException | None) -> None:
        """A callback of `on_close` runs: each once, last, in their order, with the cause."""
        self.expect(scope.state == CLOSED, f"on_close of {scope.name}, which is {scope.state}")
        if scope.closers[:1] == [closer]:
            del scope.closers[0]
        else:
            self.faults.append(f"on_close {closer}, but due were {scope.closers}")
        self.expect(cause is scope.cause, f"{closer} was told {cause!r}, not {scope.cause!r}")

    def passed(self, began: float, now: float) -> None:
        """A pass is over: who is closing has a right to wait, or little time; nobody lingers."""
        for scope in self.root.scopes():
            if scope.state != CLOSING:
                continue
            scope.seen = min(scope.seen, now)
            is_late = scope.linger is not None and began > scope.seen + scope.linger
            for member in scope.members:
                if is_late and isinstance(member, Task) and member.session is None:
                    self.faults.append(f"{scope.name} waits for {member.name} after its linger")
            if scope.is_waiting() or scope.left is None:
                scope.left = PASSES_OF_A_TASK + scope.depth()
            else:
                scope.left -= 1
            if scope.left < 0:
                self.faults.append(f"{scope.name} is closing and waits for nothing")

    def finishing(self) -> list[Scope]:
        """Those that wait for nothing and nobody: one pass closes them, a release takes none."""
        return [
            scope
            for scope in self.root.scopes()
            if scope.state == CLOSING
            and scope.is_settled
            and not any(isinstance(member, Task | Scope) for member in scope.members)
        ]

    def woken(self, scope: Scope) -> None:
        """`wait_closed` is over."""
        self.expect(scope.state == CLOSED, f"woken, but {scope.name} is {scope.state}")
        self.expect(scope.closers == [], f"woken before on_close of {scope.name}")

    # What runs.

    def runs(self, scope: Scope, what: str) -> None:
        """No callback runs from entering closing on, not in the scope, nor in one below."""
        above: Scope | None = scope
        while above is not None:
            self.expect(above.state == OPEN, f"{what} of {scope.name} ran: {above.name} is closed")
            above = above.owner

    def fires(self, timer: Timer, now: float, turn: int) -> None:
        """A timer fires late, never early and never twice; not in the pass that set it."""
        if timer.owner is None:
            self.faults.append(f"{timer.name} fired after its end")
            return
        timer.fired += 1
        timer.latest = now + timer.seconds  # in between it may keep its phase
        self.runs(timer.owner, timer.name)
        self.expect(now >= timer.start + timer.fired * timer.seconds, f"{timer.name} was early")
        self.expect(turn != timer.set_in_timer, f"{timer.name} fired in the pass that set it")
        if not timer.repeats:
            timer.leave()

    def tells(self, watch: Watch) -> None:
        """A watch is told of what it watches, until it is cancelled or its scope closes."""
        if watch.owner is None:
            self.faults.append(f"{watch.name} was told after its end")
            return
        watch.told += 1
        watch.is_due = False
        self.runs(watch.owner, watch.name)

    def cancelled(self, task: Task) -> None:
        """A task is cancelled by the scope that owns it: once, newest first."""
        task.cancels += 1
        if task.session is not None and task not in self.cancels:
            # A handler is cancelled when it stayed too long after its session.
            self.expect(task.session.state != OPEN, f"{task.name} cancelled, its session is open")
        elif self.cancels[:1] == [task]:
            del self.cancels[0]
        else:
            due = [one.name for one in self.cancels]
            self.faults.append(f"{task.name} was cancelled, but due were {due}")
        self.expect(task.cancels == 1, f"{task.name} was cancelled {task.cancels} times")

    def resumes(self, task: Task) -> None:
        """A task goes on where it was: only in an open scope, else it was cancelled."""
        self.expect(not task.ended, f"{task.name} ran after its end")
        if task.owner is not None and task.session is None:
            self.runs(task.owner, task.name)

    def ends(self, task: Task, error: BaseException | None, is_cancelled: bool, now: float) -> None:
        """A task is over; what it raised is a failure of its scope."""
        self.expect(not task.ended, f"{task.name} ended twice")
        task.ended = True
        owner = task.owner
        task.leave()
        if owner is None:
            return  # abandoned: it was named in the log then
        if error is not None:
            self.fails(error, task.session or owner, now)
        elif task.session is not None:
            self.close(task.session, UNKNOWN if is_cancelled else None, now)

    def finishes(self, thing: Thing) -> None:
        """A thing is closed: once, newest first, when all has entered closing."""
        self.expect(not thing.closed, f"{thing.name} was closed twice")
        thing.closed = True
        if self.closings[:1] == [thing]:
            del self.closings[0]
        else:
            due = [one.name for one in self.closings]
            self.faults.append(f"{thing.name} was closed, but due were {due}")

    # Whose failure is it?

    def fails(self, error: BaseException, scope: Scope, now: float) -> None:
        """A callback or a task raised: logged once; it closes the nearest session above."""
        session = scope.session()
        if not isinstance(error, Exception):  # an exit leaves the loop: who ran it has seen it
            if session is not None:
                self.close(session, error, now)
        elif session is None or session.state == OPEN or not is_echo(error, session.cause):
            self.failures[error] = scope

    def only_logged(self, error: BaseException) -> None:
        """The failure of an `on_close` or of a thing's `close`: the close goes on."""
        self.failures[error] = None

    def reported(self, error: BaseException) -> Scope | None:
        """A failure was logged; returns the session that it closes."""
        if error not in self.failures:
            self.faults.append(f"{error!r} was logged out of nowhere, or twice")
            return None
        scope = self.failures.pop(error)
        return scope.session() if scope is not None else None


def is_echo(error: BaseException, cause: BaseException | None) -> bool:
    """What a session's own close raised in its handler is no news."""
    if isinstance(error, Closed) or error is cause:
        return True
    return isinstance(cause, NetworkError) and type(error) is type(cause)


class Unknown(Exception):
    """A cause that the model cannot know: what the system said, or a task's cancellation."""


UNKNOWN = Unknown()
