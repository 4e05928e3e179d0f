# What a scope can own: timers, tasks, anything with `close()`. Knows an abstract owner, no scope.
#
# A member is in its owner's list until it has ended; ending one may end others, so whoever walks a
# list of members looks again at each whether it is still there.

import asyncio
from types import CoroutineType

from libc.math cimport INFINITY, floor

#: What a callback may raise without leaving the loop. A cancellation is no exit: it is what a
#: cancelled future's `result` raises, and asyncio's own callbacks contain it too.
CONTAINED = (Exception, asyncio.CancelledError)


cdef class Member(Work):
    """What a scope can own. A member is in its owner's list, and knows its owner."""

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} has one owner, and cannot be copied")

    cdef int end(self, object cause) except -1:
        # The owner entered closing.
        return 0

    cdef int leave(self) except -1:
        # Out of the owner's list; the owner closes when the last one it waits for has left.
        cdef Owner owner = self.owner
        cdef Member previous = self.previous, following = self.next
        if owner is None:
            return 0
        self.owner = None
        self.previous = None
        self.next = None
        if previous is None:
            owner.first = following
        else:
            previous.next = following
        if following is not None:
            following.previous = previous
        if self.is_waited:
            self.is_waited = False
            owner.waiting -= 1
            if owner.waiting == 0 and owner.state == CLOSING:
                owner.schedule()
        return 0


cdef class Owner(Member):
    # What members need of the scope they belong to.

    cdef object invoke(self, object callback, tuple args):
        raise NotImplementedError

    cdef int invoke_or_spawn(self, object callback, tuple args) except -1:
        # `invoke`, and a coroutine that the callback returns becomes a task.
        return self.spawn_if(self.invoke(callback, args))

    cdef int spawn_if(self, object result) except -1:
        if type(result) is CoroutineType:
            self.spawn(result) if self.state == OPEN else result.close()
        return 0

    cdef int contain(self, object error) except -1:
        raise NotImplementedError

    cdef int schedule(self) except -1:
        raise NotImplementedError

    cdef int start_closing(self, object cause) except -1:
        raise NotImplementedError

    cdef int on_alarm(self, int kind) except -1:
        raise NotImplementedError


cdef class Timer(Member):
    """A timer of a scope: fires once or again and again, late but never early, until cancelled.

    A repeating timer keeps its phase; ticks it missed merge into one. It ends with its scope.
    """

    @property
    def active(self):
        """Whether it will fire again."""
        return not self.is_cancelled and self.owner is not None

    def cancel(self):
        """It does not fire any more; calling this again has no effect."""
        if self.owner is not None:
            self.owner.engine.check_thread()
        self.end(None)

    cdef int end(self, object cause) except -1:
        cdef Owner owner = self.owner
        cdef object callback = self.callback, args = self.args
        if self.is_cancelled or owner is None:
            return 0
        self.is_cancelled = True
        self.callback = None
        self.args = None
        if self.is_pending:
            owner.engine.timers.drop(self)
        self.leave()
        return let_go(owner.engine, (callback, args))

    cdef int run(self) except -1:
        cdef Owner owner = self.owner
        cdef object callback = self.callback
        cdef tuple args = self.args
        cdef double now
        if owner is None or owner.state != OPEN:
            return 0
        if self.interval > 0:
            now = owner.engine.clock()
            self.when += self.interval
            if self.when <= now:
                self.when += (floor((now - self.when) / self.interval) + 1) * self.interval
                if not self.when > now or self.when == INFINITY:
                    self.when = now  # a period too short to count in
            owner.engine.timers.push(self.when, self)
        else:
            self.is_cancelled = True
            self.leave()
        return owner.invoke_or_spawn(callback, args)

    def __repr__(self):
        kind = f"every {self.interval:g} s" if self.interval > 0 else "once"
        return f"<Timer {kind} {named(self.callback)}>"


cdef class OwnedTask(Member):
    # A task that its scope cancels when it closes, and waits for.

    cdef int end(self, object cause) except -1:
        self.task.cancel()
        return 0

    def __call__(self, task):
        cdef Owner owner = self.owner
        if owner is None:
            return  # abandoned: it was named in the log then
        self.leave()  # first: its failure may close the owner, which has nothing to cancel here
        if not task.cancelled() and task.exception() is not None:
            owner.contain(task.exception())

    def __repr__(self):
        return f"<Task {self.task.get_name()}>"


cdef class Driver(OwnedTask):
    # The task of a session's async handler: it outlives the session by `linger` at most, so that
    # it may clean up after the close it saw. The session's owner waits for it.

    cdef int end(self, object cause) except -1:
        # The session is closed by the same owner; what it tells its driver is enough.
        return 0

    cdef int cancel(self) except -1:
        # Once, whoever comes first: its session's time is over, its owner's is, or it is aborted.
        if not self.is_cancelled:
            self.is_cancelled = True
            self.task.cancel()
        return 0

    cdef int limit(self) except -1:
        # The session entered closing: from now on the time counts.
        if self.owner is not None and self.lateness is None and self.session.linger_time >= 0:
            self.lateness = Lateness.__new__(Lateness)
            self.lateness.driver = self
            self.owner.engine.timers.push(
                self.owner.engine.clock() + self.session.linger_time, self.lateness
            )
        return 0

    def __call__(self, task):
        cdef Owner owner = self.owner, session = self.session
        if self.lateness is not None:
            self.lateness.driver = None
            self.lateness.is_cancelled = True
            if self.lateness.is_pending:
                session.engine.timers.drop(self.lateness)
            self.lateness = None
        self.session = None
        session.driver = None
        if owner is None:
            return
        try:
            if task.cancelled():
                session.start_closing(asyncio.CancelledError())
            elif task.exception() is not None:
                session.contain(task.exception())
            else:
                session.start_closing(None)
        finally:
            self.leave()  # an exit that left the close keeps nobody waiting


cdef class Lateness(Work):

    cdef int run(self) except -1:
        if self.driver is not None:
            self.driver.cancel()
        return 0


cdef class Owned(Member):
    # Anything with `close()`. That is somebody's code, and may do anything to the scopes around it:
    # it runs when all of them have entered closing.

    cdef int end(self, object cause) except -1:
        self.former = self.owner
        self.leave()
        self.former.engine.endings.append(self)
        return 0

    def __repr__(self):
        return f"<own {self.thing!r}>"


cdef int begin_entering(Dispatcher engine) except -1:
    # Scopes enter closing: who is woken meanwhile runs later, and sees all of them closing.
    engine.entering += 1
    engine.depth += 1
    return 0


cdef int has_entered(Dispatcher engine) except -1:
    # When the outermost has: what they owned is closed. An exit leaves when all of it is.
    cdef list endings
    cdef object ended, fatal = None
    try:
        while engine.entering == 1 and engine.endings:
            endings, engine.endings = engine.endings, []
            for ended in endings:
                try:
                    if isinstance(ended, Owned):
                        close_thing((<Owned>ended).former, (<Owned>ended).thing)
                except BaseException as error:
                    fatal = error
            ended = endings = None
    finally:
        engine.entering -= 1
        engine.depth -= 1
    if fatal is not None:
        raise fatal
    return 0


cdef int close_thing(Owner owner, object thing) except -1:
    try:
        thing.close()
    except CONTAINED as error:
        owner.report("Exception while closing what a scope owned", error)
    return 0


cdef int let_go(Dispatcher engine, object thing) except -1:
    # Dropping a callback may run somebody's `__del__`, which has to wait like anybody's code.
    if engine.entering:
        engine.endings.append(thing)
    return 0


cdef class Alarm(Work):
    # A deadline of a scope's own machinery: unlike a timer it also fires while the scope closes.

    cdef int run(self) except -1:
        cdef Owner scope = self.scope
        self.scope = None
        if scope is not None and scope.state != CLOSED:
            scope.on_alarm(self.kind)
        return 0


def named(callback):
    """A callback's name, for people."""
    return getattr(callback, "__qualname__", None) or repr(callback)
