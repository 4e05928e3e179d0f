# Ownership: a scope and its life. Knows its members, no descriptor and no poller.
#
# Rules: closing is entered at once and for the whole subtree, so that no callback below runs from
# then on; everything after that (cancelled tasks, flushing, `on_close`) happens from the top of the
# dispatch, in order, and once. The life cycle is the table in lifecycle.py.

import asyncio
import logging
from contextvars import ContextVar

from cpython.contextvars cimport (
    PyContext_Copy,
    PyContext_CopyCurrent,
    PyContext_Enter,
    PyContext_Exit,
)
from cpython.object cimport PyObject_CallObject

from tether.engine.lifecycle import LIFE_CYCLE, STATES
from tether.engine.members import CONTAINED
from tether.engine.waiter cimport wake_all
from tether.errors import Closed, NetworkError, own_copy

cdef extern from "Python.h":
    object PyObject_CallOneArg(object callable, object argument)

cdef object log = logging.getLogger("tether")
cdef tuple STATE_NAMES = STATES
cdef bint MAY_FOLLOW[3][3]
for _row in range(3):
    for _column in range(3):
        MAY_FOLLOW[_row][_column] = STATES[_column] in LIFE_CYCLE[STATES[_row]]

DEFAULT_LINGER = 5.0
cdef tuple EXITS = (KeyboardInterrupt, SystemExit)

cdef enum:
    LINGER_PASSED = 0
    DEEPEST = 500

#: The scope whose handler is running: the owner of what it connects and opens.
current_scope = ContextVar("tether_scope")


cdef class Closing(Awaiting):
    # What `wait_closed` returns.
    cdef Scope scope

    cdef bint ready(self) except -1:
        return self.scope.state == CLOSED

    cdef object take(self):
        return None

    cdef int wait(self, Waiter waiter) except -1:
        if self.scope.waiters is None:
            self.scope.waiters = []
        self.scope.waiters.append(waiter)
        return 0

    cdef int forget(self, Waiter waiter) except -1:
        if self.scope.waiters is not None and waiter in self.scope.waiters:
            self.scope.waiters.remove(waiter)
        return 0


cdef class Scope(Owner):
    """An owner: everything it starts ends with it.

    Args:
        owner: the scope above; the running loop's root scope where left out.
        name: what `loop.tree()` calls it.
        linger: seconds its tasks get to end after `close` (default 5); then they are named in
            the log and abandoned. None waits for as long as they take.

    >>> import tether
    >>> async def main():
    ...     scope = tether.Scope(name="example")
    ...     scope.on_close(lambda cause: print("closed:", cause))
    ...     timer = scope.every(10, print, "never")
    ...     scope.close()
    ...     await scope.wait_closed()
    ...     return timer.active
    >>> tether.run(main())
    closed: None
    False
    """

    def __init__(self, owner=None, *, name="", linger=DEFAULT_LINGER):
        cdef Scope above
        if owner is None:
            owner = asyncio.get_running_loop().scope
        if self.engine is not None:
            raise RuntimeError("a scope is set up once")
        if linger is not None and not linger >= 0:
            raise ValueError(f"linger is 0 seconds or more, or None, got {linger}")
        above = owner
        above.check()
        self.label = name
        above.adopt(self, False)
        self.linger_time = -1 if linger is None else linger
        self.own_context()

    @property
    def name(self):
        """What `loop.tree()` calls it."""
        return self.label or type(self).__name__

    @property
    def state(self):
        """"open", "closing" or "closed"."""
        return STATE_NAMES[self.state]

    @property
    def closing(self):
        """Whether it entered closing and is not closed yet."""
        return self.state == CLOSING

    @property
    def closed(self):
        """Whether it is closed."""
        return self.state == CLOSED

    @property
    def error(self):
        """The cause it closed with: the first one given, or None."""
        return self.cause

    @property
    def loop(self):
        """The loop it lives on."""
        return self.engine

    def every(self, double seconds, callback, *args):
        """Call `callback(*args)` every `seconds`, first after `seconds`, until the scope closes.

        A coroutine that it returns is spawned. Missed ticks merge into one; the phase is kept.

        Raises:
            Closed: the scope is not open any more.
            ValueError: `seconds` is not above 0.
        """
        if not seconds > 0:
            raise ValueError(f"a repeating timer needs a period above 0, got {seconds}")
        return start_timer(self, seconds, seconds, callback, args)

    def after(self, double seconds, callback, *args):
        """Call `callback(*args)` once, `seconds` from now, unless the scope closes before.

        Raises:
            Closed: the scope is not open any more.
        """
        if not seconds >= 0:
            raise ValueError(f"a timer needs 0 seconds or more, got {seconds}")
        return start_timer(self, seconds, 0, callback, args)

    def watch(self, fd, events, callback, *, edge=False):
        """Call `callback(what)` whenever the descriptor is ready, until the scope closes.

        It is called right when the loop hears of it, for as long as it stays so; `what` is a sum of
        those of `events` that are the case. After a hang-up or an error it is all of `events`:
        reading or writing will show it. A coroutine that it returns is spawned. Any number may watch
        one descriptor, beside asyncio's reader and writer too. The descriptor stays open.

        Args:
            fd: a descriptor, or something with `fileno()`. It should not block.
            events: a sum of READ, WRITE and CLOSED (the peer shut its side down, read or not).
            callback: called with what happened.
            edge: call it only when that changes: it has to read or write until EAGAIN then.

        Raises:
            Closed: the scope is not open any more.
            OSError: the descriptor cannot be polled; it is closed, or it is a plain file.
            RuntimeError: a stream or a listener of tether owns the descriptor.
            ValueError: the poller cannot do that (see `loop.poller`), or who watches the descriptor
                already does so with another `edge`.
        """
        self.guard()
        return self.engine.watch(self, fd, events, callback, edge)

    def on_signal(self, number, callback, *args):
        """Call `callback(*args)` when the signal comes, until the scope closes.

        It is called from the loop, as any callback, and once for all deliveries since the pass
        before; `count` of what this returns is how many there were. Any number may watch one signal,
        on several loops, beside asyncio's handler too. A Python handler that was set before is not
        called meanwhile; it is put back when the last one ends.

        Raises:
            Closed: the scope is not open any more.
            RuntimeError: called from another thread than the main thread.
            ValueError: there is no such signal, or it cannot be caught.
        """
        self.guard()
        return self.engine.on_signal(self, number, callback, args)

    def spawn(self, coroutine, *, name=None):
        """Run `coroutine` as a task of this scope and return the `asyncio.Task`.

        It is cancelled once when the scope closes. What it raises closes the session above.

        Raises:
            Closed: the scope is not open any more (the coroutine is closed, unstarted).
        """
        cdef OwnedTask owned
        try:
            self.check()
        except BaseException:
            coroutine.close()
            raise
        owned = OwnedTask.__new__(OwnedTask)
        owned.task = self.engine.create_task(
            coroutine, name=name, context=PyContext_Copy(self.own_context())
        )
        owned.is_waited = True
        self.attach(owned)
        owned.task.add_done_callback(owned)
        if self.state != OPEN:
            owned.end(None)  # its first, eager step closed this scope
        return owned.task

    def own(self, thing):
        """Close `thing` (anything with `close()`) when this scope closes; returns `thing`.

        A scope that is given here changes its owner.

        Raises:
            Closed: the scope is not open any more (`thing` is closed).
            ValueError: `thing` is this scope, or owns it.
        """
        cdef Owned owned
        cdef Scope child, above = self
        cdef int depth = 0
        self.guard()
        while above is not None:
            depth += 1
            if above is thing:
                raise ValueError("a scope cannot own itself, nor what owns it")
            above = <Scope>above.owner
        if self.state != OPEN:
            close_thing(self, thing)
        self.check()
        if isinstance(thing, Scope):
            child = thing
            if child.engine is not self.engine:
                raise ValueError("a scope of another loop cannot be owned")
            if height(child, 0) + depth > DEEPEST:
                raise RecursionError(f"scopes may be nested {DEEPEST} deep")
            if child.state == OPEN and not child.is_held:
                child.leave()
                self.adopt(child, False)
            return thing
        owned = Owned.__new__(Owned)
        owned.thing = thing
        self.attach(owned)
        return thing

    def on_close(self, callback):
        """Call `callback(cause)` once, last of all, when this scope is closed.

        Raises:
            Closed: it is closed already.
        """
        self.guard()
        if self.state == CLOSED:
            raise self.closed_error()
        if self.closers is None:
            self.closers = [callback]
        else:
            self.closers.append(callback)
        return callback

    def close(self, cause=None):
        """Begin to close; returns at once. Allowed anywhere, any number of times.

        Args:
            cause: why, None for an orderly close. The first cause wins.
        """
        self.check_cause(cause)
        if self.state == OPEN:
            self.is_told = True  # who closes it with a cause knows the cause
        self.start_closing(cause)

    def abort(self, cause=None):
        """Close without waiting for tasks and without flushing."""
        self.check_cause(cause)
        if self.state == OPEN:
            self.is_told = True
        self.start_abort(cause)

    def wait_closed(self):
        """Awaitable: done when this scope is closed.

        Raises:
            RuntimeError: awaited in a task that this scope owns, which it would wait for.
        """
        cdef Closing closing = Closing.__new__(Closing)
        self.guard()
        if self.state != CLOSED and owns_task(self, asyncio.current_task()):
            raise RuntimeError("a task cannot wait for the close of the scope that waits for it")
        closing.loop = self.engine
        closing.scope = self
        return closing

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, traceback):
        self.close(error)
        await self.wait_closed()

    def tree(self):
        """This scope and all below it, one line each: state, age, what it holds."""
        self.guard()
        lines = []
        draw(self, 0, lines)
        return "\n".join(lines)

    def describe(self):
        """What `tree` says of it beside its name: overridden where there is more to say."""
        return ""

    def report(self, message, error):
        """Hand a failure that nobody waits for to the loop's exception handler."""
        self.guard()
        self.engine.call_exception_handler({"message": message, "exception": error, "scope": self})

    # Below: what the rooms above call natively.

    cdef int guard(self) except -1:
        # Before anything else that a user calls: the right thread, and a scope that was set up.
        if self.engine is None:
            raise RuntimeError(f"{type(self).__name__}.__init__ was not called")
        return self.engine.check_thread()

    cdef int check(self) except -1:
        self.guard()
        if self.state != OPEN:
            raise self.closed_error()
        return 0

    cdef object closed_error(self):
        error = Closed(f"{self.name} is {STATE_NAMES[self.state]}")
        error.__cause__ = self.cause
        return error

    cdef object ended_error(self, bint has_waited):
        # Who waited when it ended gets the cause itself, and so does the first who comes where
        # nobody waited; who comes later gets `Closed` from the cause. An exit or a cancellation that
        # was somebody else's is nobody else's: it is a cause, and is raised once only.
        if isinstance(self.cause, Exception) and (has_waited or not self.is_told):
            self.is_told = True
            return own_copy(self.cause)
        return self.closed_error()

    cdef int check_cause(self, object cause) except -1:
        self.guard()
        if cause is not None and not isinstance(cause, BaseException):
            raise TypeError(f"a cause is an exception or None, got {cause!r}")
        return 0

    cdef int attach(self, Member member) except -1:
        # Newest first: that is the order in which members are ended.
        cdef Member first = self.first
        member.owner = self
        member.next = first
        if first is not None:
            first.previous = member
        self.first = member
        if member.is_waited:
            self.waiting += 1
        return 0

    cdef int adopt(self, Scope child, bint held) except -1:
        cdef Scope above = self
        cdef int depth = 0
        while above is not None:
            above = <Scope>above.owner
            depth += 1
        if depth > DEEPEST:
            raise RecursionError(f"scopes may be nested {DEEPEST} deep")
        if child.engine is None:
            child.engine = self.engine
            child.created = self.engine.clock()
            if child.linger_time == 0:
                child.linger_time = self.linger_time
        child.is_held = held
        child.is_waited = not held
        return self.attach(child)

    cdef object own_context(self):
        if self.context is None:
            self.context = PyContext_CopyCurrent()
            PyContext_Enter(self.context)
            try:
                current_scope.set(self)
            finally:
                PyContext_Exit(self.context)
        return self.context

    cdef object invoke(self, object callback, tuple args):
        # The one way a user's callback is run: in the scope's context, its failure contained.
        cdef object context = self.own_context(), result = None
        if self.state != OPEN:
            return None
        self.engine.depth += 1
        try:
            PyContext_Enter(context)
            try:
                result = PyObject_CallObject(callback, args)
            finally:
                PyContext_Exit(context)
        except CONTAINED as error:
            self.contain(error)
        finally:
            self.engine.depth -= 1
        return result

    cdef object invoke_one(self, object callback, object argument):
        # `invoke` for the hot path of one argument: no tuple is made.
        cdef object context = self.context, result = None
        if self.state != OPEN:
            return None
        if context is None:
            context = self.own_context()
        self.engine.depth += 1
        try:
            PyContext_Enter(context)
            try:
                result = PyObject_CallOneArg(callback, argument)
            finally:
                PyContext_Exit(context)
        except CONTAINED as error:
            self.contain(error)
        finally:
            self.engine.depth -= 1
        return result

    cdef int contain(self, object error) except -1:
        # A failure closes the nearest session at or above, and stops there.
        cdef Scope scope = self
        while scope is not None and not scope.is_session:
            scope = <Scope>scope.owner
        if scope is not None and scope.state != OPEN and is_echo(error, scope.cause):
            return 0
        try:
            if not isinstance(error, EXITS):  # they left the loop already: there they were seen
                self.report(f"Exception in {self.name}", error)
        finally:
            if scope is not None:
                scope.start_closing(error)
        return 0

    cdef int start_closing(self, object cause) except -1:
        if not MAY_FOLLOW[self.state][CLOSING]:
            return 0
        begin_entering(self.engine)
        try:
            enter_closing(self, cause)
        finally:
            has_entered(self.engine)
        return 0

    cdef int start_abort(self, object cause) except -1:
        if self.state == CLOSED:
            return 0
        begin_entering(self.engine)
        try:
            enter_abort(self, cause)
        finally:
            has_entered(self.engine)
        return 0

    cdef int end(self, object cause) except -1:
        return self.start_closing(cause)

    cdef int schedule(self) except -1:
        if not self.is_queued:
            self.is_queued = True
            self.engine.ready.push(self)
        return 0

    cdef int run(self) except -1:
        # The next step of closing, from the top of the dispatch.
        cdef object fatal = None
        self.is_queued = False
        if self.state != CLOSING:
            return 0
        if not self.is_finishing:
            if self.waiting:
                return 0
            self.is_finishing = True
            if self.linger_alarm is not None:
                self.drop_alarm(self.linger_alarm)
                self.linger_alarm = None
            self.is_queued = True  # a release now needs no pass of its own: it is seen below
            try:
                self.on_finish()
            except BaseException as error:
                fatal = error
            self.is_queued = False
        if self.is_released:
            become_closed(self)
        if fatal is not None:
            raise fatal
        return 0

    cdef int release(self) except -1:
        # Nothing is left to let go; the close itself happens at the top of the dispatch.
        self.is_released = True
        return self.schedule()

    cdef Alarm set_alarm(self, double seconds, int kind):
        cdef Alarm alarm = Alarm.__new__(Alarm)
        alarm.scope = self
        alarm.kind = kind
        self.engine.timers.push(self.engine.clock() + seconds, alarm)
        return alarm

    cdef int drop_alarm(self, Alarm alarm) except -1:
        if alarm is not None and not alarm.is_cancelled:
            alarm.is_cancelled = True
            alarm.scope = None
            if alarm.is_pending:
                self.engine.timers.drop(alarm)
        return 0

    cdef Driver start_driver(self, object coroutine, Scope session):
        # Runs a session's async handler: in the session's context, owned by this scope.
        cdef Driver driver = Driver.__new__(Driver)
        driver.session = session
        driver.task = self.engine.create_task(coroutine, context=session.own_context())
        driver.is_waited = True
        session.driver = driver
        self.attach(driver)
        driver.task.add_done_callback(driver)
        return driver

    cdef int on_closing(self) except -1:
        return 0

    cdef int on_finish(self) except -1:
        self.is_released = True
        return 0

    cdef int on_abort(self) except -1:
        return 0

    cdef int on_alarm(self, int kind) except -1:
        if kind == LINGER_PASSED and self.waiting and not self.is_finishing:
            abandon_tasks(self)
        return 0

    cdef int member_closed(self, Scope member) except -1:
        # A held scope has closed.
        return 0

    cdef int on_closed(self) except -1:
        return 0

    def __repr__(self):
        return f"<{self.name} {STATE_NAMES[self.state]}>"


cdef int enter_closing(Scope scope, object cause) except -1:
    cdef Member member
    cdef object fatal = None
    scope.state = CLOSING
    scope.cause = cause
    try:
        scope.on_closing()
    except BaseException as error:
        fatal = error
    if scope.driver is not None:
        scope.driver.limit()
    for member in members_of(scope):
        if member.owner is scope and not member.is_held:
            try:
                member.end(cause)
            except BaseException as error:
                fatal = error  # an exit leaves the loop, but the close goes its way
    if scope.waiting and scope.linger_time >= 0:
        scope.linger_alarm = scope.set_alarm(scope.linger_time, LINGER_PASSED)
    elif not scope.waiting:
        scope.schedule()
    if fatal is not None:
        raise fatal
    return 0


cdef int enter_abort(Scope scope, object cause) except -1:
    cdef Member member
    cdef object fatal = None
    try:
        scope.start_closing(cause)
    except BaseException as error:
        fatal = error
    if scope.is_aborting:
        return 0
    scope.is_aborting = True
    for member in members_of(scope):
        if member.owner is not scope:
            continue
        if isinstance(member, Scope):
            try:
                (<Scope>member).start_abort(cause)
            except BaseException as error:
                fatal = error
        elif isinstance(member, OwnedTask):
            if isinstance(member, Driver):
                (<Driver>member).cancel()  # the others were, by the close
            member.leave()
    scope.on_abort()
    scope.schedule()
    if fatal is not None:
        raise fatal
    return 0


cdef list members_of(Scope scope):
    # Newest first. A list of its own: ending one member may end others.
    cdef Member member = scope.first
    cdef list members = []
    while member is not None:
        members.append(member)
        member = member.next
    return members


cdef object start_timer(Scope scope, double seconds, double interval, object callback, tuple args):
    cdef Timer timer
    scope.check()
    if not callable(callback):
        raise TypeError(f"a timer needs something callable, got {callback!r}")
    timer = Timer.__new__(Timer)
    timer.when = scope.engine.clock() + seconds
    timer.interval = interval
    timer.callback = callback
    timer.args = args
    scope.engine.timers.push(timer.when, timer)
    scope.attach(timer)
    return timer


cdef int height(Scope scope, int above) except -1:
    # How deep the tree below goes; no deeper than it may be.
    cdef Member member = scope.first
    cdef int deepest = 0
    if above > DEEPEST:
        return 1
    while member is not None:
        if isinstance(member, Scope):
            deepest = max(deepest, height(<Scope>member, above + 1))
        member = member.next
    return deepest + 1


cdef int become_closed(Scope scope) except -1:
    cdef Scope owner = <Scope>scope.owner
    cdef object closers = scope.closers, waiters = scope.waiters, fatal = None
    if not MAY_FOLLOW[scope.state][CLOSED]:
        return 0
    scope.state = CLOSED
    scope.on_closed()
    scope.closers = None
    if closers is not None:
        for closer in closers:
            try:
                call_closer(scope, closer)
            except BaseException as error:
                fatal = error  # an exit leaves the loop, after everybody was told
    scope.leave()
    scope.context = None
    if owner is not None and scope.is_held:
        owner.member_closed(scope)
    scope.waiters = None
    if waiters is not None:
        wake_all(waiters)
    if fatal is not None:
        raise fatal
    return 0


cdef int call_closer(Scope scope, object closer) except -1:
    cdef object context = scope.own_context()
    scope.engine.depth += 1
    try:
        PyContext_Enter(context)
        try:
            PyObject_CallOneArg(closer, scope.cause)
        finally:
            PyContext_Exit(context)
    except CONTAINED as error:
        scope.report(f"Exception in on_close of {scope.name}", error)
    finally:
        scope.engine.depth -= 1
    return 0


cdef int abandon_tasks(Scope scope) except -1:
    # Their time is over: they are named, and the close goes on without them.
    cdef Member member
    cdef list late = [member for member in members_of(scope) if isinstance(member, OwnedTask)]
    cdef bint has_drivers = any([isinstance(member, Driver) for member in late])
    if has_drivers and not scope.is_late:
        # Handlers were only told of the close so far: now they are cancelled, and get their time.
        scope.is_late = True
        for member in late:
            if isinstance(member, Driver):
                (<Driver>member).cancel()
        scope.linger_alarm = scope.set_alarm(scope.linger_time, LINGER_PASSED)
        return 0
    if late:
        log.warning(
            "%s: abandoned after %g s of linger: %s",
            scope.name,
            scope.linger_time,
            ", ".join([(<OwnedTask>one).task.get_name() for one in late]),
        )
    for member in late:
        member.leave()
    return 0


cdef bint owns_task(Scope scope, object task) except -1:
    cdef Member member = scope.first
    if task is None:
        return False
    while member is not None:
        if isinstance(member, OwnedTask):
            if (<OwnedTask>member).task is task and not isinstance(member, Driver):
                return True
        elif isinstance(member, Scope) and owns_task(<Scope>member, task):
            return True
        member = member.next
    return False


cdef bint is_echo(object error, object cause):
    # What a session's own close raised in its handler is no news.
    if isinstance(error, Closed) or error is cause:
        return True
    return isinstance(cause, NetworkError) and type(error) is type(cause)


cdef int draw(Member member, int depth, list lines) except -1:
    cdef Scope scope
    indent = "  " * depth
    if not isinstance(member, Scope):
        lines.append(f"{indent}{member!r}")
        return 0
    scope = member
    age = scope.engine.clock() - scope.created
    details = scope.describe()
    lines.append(
        f"{indent}{scope.name} {STATE_NAMES[scope.state]} {age:.1f} s"
        + (f" {details}" if details else "")
    )
    for child in reversed(members_of(scope)):
        draw(child, depth + 1, lines)
    return 0
