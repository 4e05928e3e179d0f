"""What the scripts of the scope properties can do: an act is a method, `me` is who does it.

Each act is carried out on the loop and in the model, which then have to agree. Knows no hypothesis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import tether
from tests.engine.scope_clients import PATTERN, Client
from tests.engine.scope_model import UNKNOWN, Scope, Task, Thing, Timer
from tests.engine.scope_world import EXITS, Act, Failure, Script, World
from tether.engine.lifecycle import CLOSED, OPEN


class RealThing:
    """What a scope may own beside scopes."""

    def __init__(self, acts: Acts, thing: Thing, script: Script) -> None:
        self.acts, self.thing, self.script = acts, thing, script

    def close(self) -> None:
        self.acts.notice()
        self.acts.model.finishes(self.thing)
        self.acts.follow(self.script, self.acts.model.root, only_logged=True)

    def __repr__(self) -> str:
        return "thing"


class Acts(World):
    """A world in which things can be done."""

    def __init__(self, poller: str) -> None:
        super().__init__(poller)
        self.listeners: list[tuple[Scope, str, list[Client]]] = []
        self.unclosed: list[Client] = []
        self.received: dict[Scope, int] = {}
        self.paused: set[Scope] = set()
        self.driven: set[Scope] = set()
        self.gates: list[asyncio.Future[None]] = []
        self.waiting = 0

    def scope(self, me: Scope, index: int) -> Scope:
        """The scope that an act means: its own, that above, or any."""
        if index < 2:
            return me.owner or me if index else me
        left = [scope for scope in self.real if scope.state != CLOSED] or [self.model.root]
        if index % 7:
            left = [scope for scope in left if scope.owner is not None] or left
        return left[index % len(left)]

    def attempt(self, scope: Scope, what: Callable[[], Any]) -> Any:
        """What only an open scope does; else it raises `Closed`, from the cause."""
        is_open = scope.state == OPEN
        try:
            result = what()
        except tether.Closed as error:
            self.model.expect(not is_open, f"{scope.name} is open, and raised {error!r}")
            cause = error.__cause__
            known = cause is scope.cause or scope.cause is UNKNOWN
            self.model.expect(known, f"{scope.name} raised from {cause!r}, not {scope.cause!r}")
            return None
        self.model.expect(is_open, f"{scope.name} is {scope.state} and took something")
        return result

    def close(self, me: Scope, index: int, fails: bool, aborts: bool = False) -> None:
        scope = self.scope(me, index)
        if scope is not self.model.root:  # that is the end of all, and comes last
            self.close_scope(scope, fails, aborts)

    def close_scope(self, scope: Scope, fails: bool, aborts: bool) -> None:
        cause = Failure(self.name("cause"), []) if fails else None
        step = self.model.abort if aborts else self.model.close
        step(scope, cause, self.loop.time())
        (self.real[scope].abort if aborts else self.real[scope].close)(cause)
        self.compare()

    def new_scope(self, me: Scope, index: int, linger: float | None) -> None:
        owner = self.scope(me, index)
        name = self.name("scope")
        real = self.attempt(owner, lambda: tether.Scope(self.real[owner], name=name, linger=linger))
        if real is not None:
            scope = Scope(name, linger=linger, is_settled=True)
            self.model.add(owner, scope)
            self.real[scope] = real
            self.watch(scope)

    def timer(self, me: Scope, index: int, seconds: float, repeats: bool, script: Script) -> None:
        owner = self.scope(me, index)
        kind = "every" if repeats else "once"
        timer = Timer(f"<Timer {kind}", None, self.loop.time(), seconds, repeats)
        timer.set_in_timer = self.turn if self.in_timer else -1
        name = self.name("timer")

        def tick() -> None:
            scope = timer.owner
            self.notice()
            self.model.fires(timer, self.loop.time(), self.turn)
            self.in_timer = True
            try:
                if scope is not None:
                    self.callback(scope, name, script)
            finally:
                self.in_timer = False

        start = self.real[owner].every if repeats else self.real[owner].after
        real = self.attempt(owner, lambda: start(seconds, tick))
        if real is not None:
            timer.latest = self.loop.time()
            self.model.add(owner, timer)
            self.timers.append((timer, real))

    def async_timer(self, me: Scope, index: int, program: Act) -> None:
        """A timer whose callback is a coroutine function: it is spawned."""
        owner = self.scope(me, index)
        timer = Timer("<Timer once", None, self.loop.time())
        timer.set_in_timer = self.turn if self.in_timer else -1

        def tick() -> Coroutine[Any, Any, None]:
            scope = timer.owner
            assert scope is not None
            self.notice()
            self.model.fires(timer, self.loop.time(), self.turn)
            return self.task(scope, program)

        real = self.attempt(owner, lambda: self.real[owner].after(0, tick))
        if real is not None:
            timer.latest = self.loop.time()
            self.model.add(owner, timer)
            self.timers.append((timer, real))

    def cancel_timer(self, me: Scope, index: int) -> None:
        if self.timers:
            timer, real = self.timers[index % len(self.timers)]
            timer.leave()
            real.cancel()
            self.model.expect(not real.active, f"{timer.name} is active after its cancel")

    def spawn(self, me: Scope, index: int, program: Act) -> None:
        owner = self.scope(me, index)
        coroutine = self.task(owner, program)
        self.attempt(owner, lambda: self.real[owner].spawn(coroutine))
        self.coming.pop(coroutine, None)

    def stay(self, me: Scope, index: int, linger: float | None, farewell: Script) -> None:
        """A scope of its own, with a task that takes its time after its cancellation."""
        before = set(self.real)
        self.new_scope(me, index, linger)
        for scope in set(self.real) - before:
            program: Act = ([("gate", 0, [])], farewell, "stays")
            self.real[scope].spawn(self.task(scope, program))

    def cancel_task(self, me: Scope, index: int) -> None:
        if self.tasks:
            self.by_user = True
            try:
                self.tasks[index % len(self.tasks)].cancel()
            finally:
                self.by_user = False

    def own_things(self, me: Scope, index: int, scripts: list[Script]) -> None:
        owner = self.scope(me, index)
        for script in scripts:
            thing = Thing("<own thing>")
            if owner.state == OPEN:
                self.model.add(owner, thing)
            else:
                self.model.closings.insert(0, thing)  # too late: it is closed at once
            self.attempt(owner, partial(self.real[owner].own, RealThing(self, thing, script)))

    def own_scope(self, me: Scope, index: int, other: int) -> None:
        owner, child = self.scope(me, index), self.scope(me, other)
        if owner.state == CLOSED:
            return  # it may still be on its way out of the tree
        if child.owns(owner):
            with suppress(ValueError):
                self.real[owner].own(self.real[child])
                self.model.faults.append(f"{owner.name} owns {child.name}, and is below it")
            return
        if owner.state != OPEN:
            self.model.close(child, None, self.loop.time())
        elif child.state == OPEN:
            self.model.add(owner, child)
        self.attempt(owner, lambda: self.real[owner].own(self.real[child]))

    def add_closers(self, me: Scope, index: int, scripts: list[Script]) -> None:
        scope = self.scope(me, index)
        for script in scripts:
            self.add_closer(scope, self.name("closer"), script)

    def add_closer(self, scope: Scope, name: str, script: Script) -> None:
        def closed(cause: BaseException | None) -> None:
            self.model.told(scope, name, cause)
            self.follow(script, scope, only_logged=True)

        if scope.state == CLOSED:
            with suppress(tether.Closed):
                self.real[scope].on_close(closed)
                self.model.faults.append(f"{scope.name} is closed and took {name}")
        else:
            scope.closers.append(name)
            self.real[scope].on_close(closed)

    def fail(self, me: Scope, script: Script) -> None:
        raise Failure(self.name("failure"), script)

    def fail_again(self, me: Scope, index: int) -> None:
        """Raise what a scope was closed with: to its own session that is no news."""
        cause = self.scope(me, index).cause
        if isinstance(cause, Failure) and cause not in self.model.failures:
            raise cause

    def exit(self, me: Scope, kind: int) -> None:
        error = EXITS[kind](self.name("exit"))
        self.exits.append(error)
        raise error

    def look(self, me: Scope) -> None:
        """Print everything: allowed anywhere."""
        self.loop.tree()
        for scope in self.real.values():
            repr(scope)

    # Tasks: a program is its steps, what it does when it is cancelled, and how it ends then.

    def task(
        self, scope: Scope, program: Act, session: Scope | None = None
    ) -> Coroutine[Any, Any, None]:
        task = Task(self.name("task"), scope, session)
        coroutine = self.body(task, session or scope, *program)
        self.coming[coroutine] = task
        return coroutine

    async def body(
        self,
        task: Task,
        scope: Scope,
        steps: list[tuple[str, int, Script]],
        farewell: Script,
        end: str,
    ) -> None:
        try:
            for wait, number, script in steps:
                if await getattr(self, f"wait_{wait}")(task, scope, number):
                    self.notice()
                    self.model.resumes(task)
                self.follow(script, scope)
        except asyncio.CancelledError:
            if end == "stays":
                task.stays = True
                await self.wait_gate(task, scope, 0)
            self.follow(farewell, scope)
            if end != "swallows":
                raise

    # What a task waits for; true where it waited.

    async def wait_nothing(self, task: Task, scope: Scope, number: int) -> bool:
        return False

    async def wait_sleep(self, task: Task, scope: Scope, number: int) -> bool:
        await asyncio.sleep(number * 0.001)
        return True

    async def wait_gate(self, task: Task, scope: Scope, number: int) -> bool:
        """Until a rule opens the gates."""
        gate = self.loop.create_future()
        self.gates.append(gate)
        await gate
        return True

    async def wait_closed(self, task: Task, scope: Scope, number: int) -> bool:
        other = self.scope(scope, number)
        real, waits = self.real[other], other.state != CLOSED
        if waits and other.owns(task):
            if task.session is None:
                with suppress(RuntimeError):
                    _ = real.wait_closed()
                    self.model.faults.append(f"{task.name} may wait for who waits for it")
            return False
        self.waiting += 1
        try:
            await real.wait_closed()
        finally:
            self.waiting -= 1
        self.model.woken(other)
        return waits

    async def wait_read(self, task: Task, scope: Scope, number: int) -> bool:
        stream = self.real[scope]
        if task.session is not None and isinstance(stream, tether.Stream):
            while data := await stream.read(number * 1000 + 1):
                self.arrived(scope, data)
        return False

    # Streams.

    def listen(self, me: Scope, index: int, manner: Act) -> None:
        owner = self.scope(me, index)
        if owner.state != OPEN or len(self.listeners) > 2:
            return
        listener = Scope("listener 127.0.0.1:0")
        waiting: list[Client] = []

        def on_stream(stream: tether.Stream) -> Coroutine[Any, Any, None] | None:
            return self.accept(listener, waiting.pop(0), stream, *manner)

        real = tether.listen("127.0.0.1:0", on_stream, owner=self.real[owner])
        self.model.add(owner, listener)
        self.real[listener] = real
        self.watch(listener)
        listener.is_settled = True
        self.listeners.append((listener, real.address, waiting))

    def accept(
        self,
        listener: Scope,
        client: Client,
        stream: tether.Stream,
        first: Script,
        on_data: Script,
        on_eof: Script | None,
        on_drain: Script,
        program: Act | None,
    ) -> Coroutine[Any, Any, None] | None:
        scope = Scope("Stream", is_session=True)
        self.model.add(listener, scope)
        self.real[scope] = stream
        self.clients[scope] = client
        self.received[scope] = 0
        self.watch(scope)

        def data(received: bytes) -> None:
            self.arrived(scope, received)
            self.callback(scope, self.name("data"), on_data)

        def eof() -> None:
            self.model.expect(client.has_left, "an end of file that nobody sent")
            self.callback(scope, self.name("eof"), on_eof or [])

        if program is None:
            stream.on_data(data)
        else:
            self.driven.add(scope)  # its handler reads, or does not
        if on_eof is not None:
            stream.on_eof(eof)
        stream.on_drain(lambda: self.callback(scope, self.name("drain"), on_drain))
        self.callback(scope, self.name("stream"), first)
        if program is None:
            return None
        handler = self.task(listener, program, scope)
        if scope.state != OPEN or listener.state != OPEN:
            self.coming.pop(handler)  # there is nothing left that it could drive
        return handler

    def arrived(self, scope: Scope, data: bytes) -> None:
        """Bytes come in order, each once."""
        start = self.received[scope]
        self.received[scope] += len(data)
        same = data == PATTERN[start : start + len(data)]
        self.model.expect(same, f"{scope.name} received other bytes than those at {start}")

    def connect(self, me: Scope, index: int) -> None:
        if self.listeners and len(self.unclosed) < 12:
            listener, address, waiting = self.listeners[index % len(self.listeners)]
            if listener.state == OPEN:
                client = Client(address)
                waiting.append(client)
                self.unclosed.append(client)

    def stream(self, index: int) -> tuple[Scope, tether.Stream] | None:
        if not self.clients:
            return None
        scope = list(self.clients)[index % len(self.clients)]
        return scope, self.stream_of(scope)

    def stream_of(self, scope: Scope) -> tether.Stream:
        stream = self.real[scope]
        assert isinstance(stream, tether.Stream)
        return stream

    def send(self, me: Scope, index: int, size: int) -> None:
        if found := self.stream(index):
            scope, stream = found
            taken = bool(stream.send(bytes(size)))
            if taken:
                self.wrote.add(scope)
            self.model.expect(scope.state == OPEN or not taken, f"{scope.name} took what was sent")

    def flood(self, me: Scope, index: int) -> None:
        """Send until it is refused."""
        if found := self.stream(index):
            for _ in range(8):
                if not found[1].send(bytes(65536)):
                    break
                self.wrote.add(found[0])

    def pause(self, me: Scope, index: int, resumes: bool) -> None:
        if found := self.stream(index):
            scope, stream = found
            self.attempt(scope, stream.resume_reading if resumes else stream.pause)
            if scope.state == OPEN and resumes:
                self.paused.discard(scope)
            elif scope.state == OPEN:
                self.paused.add(scope)

    # What comes from outside.

    def client(self, me: Scope, index: int, what: str, size: int) -> None:
        if self.unclosed:
            client = self.unclosed[index % len(self.unclosed)]
            if what == "send":
                client.send(size)
            elif what == "read":
                client.read()
            else:
                client.leave(what)
