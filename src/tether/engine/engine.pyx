# What asyncio and people call on the loop. Knows sources, scopes and the poller interface, no stream.
# cython: embedsignature.format=clinic

import asyncio
import os
import signal
import warnings
from weakref import WeakSet

cimport cython
from cpython.contextvars cimport PyContext_CopyCurrent

from tether.engine.counts import Counts
from tether.engine.descriptor cimport Descriptor, number_of, remove_handle, set_handle
from tether.engine.hooks cimport Hook
from tether.engine.poller cimport READ, WRITE, Poller, Source
from tether.engine.scope cimport CLOSED, OPEN, Member
from tether.engine.signals cimport forget_signals, make_signals, share_signal, start_signal
from tether.engine.timers cimport TimerHandle, one_timer
from tether.engine.waiter cimport Dispatcher
from tether.engine.watch cimport start_watch
from tether.engine.work cimport Handle, Ready, Work, one_shot

from tether.engine.pollers import make_poller

cdef enum:
    FLUSH_EVERY = 32

cdef object Future = asyncio.Future
cdef object Task = asyncio.Task

cdef object loops = WeakSet()


cdef class Engine(Passes):
    """The native half of the loop: ready queue, timers, polling, and the root of all scopes.

    Args:
        poller: "epoll", "poll" or "select"; the default is what `TETHER_POLLER` names, else the
            best there is.
        flush_every: how many streams may write before what they wrote is sent.
        max_dispatch: seconds that each kind of work (events, streams with more to read, callbacks,
            timers) gets in one pass before the others have their turn; None for no limit.
        max_callbacks: how many of each kind are served in one pass; None for no limit.
    """

    def __init__(
        self, *, poller=None, flush_every=FLUSH_EVERY, max_dispatch=None, max_callbacks=None
    ):
        if flush_every < 1:
            raise ValueError(f"flush_every counts streams from 1, got {flush_every}")
        if max_dispatch is not None and not max_dispatch > 0:
            raise ValueError(f"max_dispatch is seconds above 0, got {max_dispatch}")
        if max_callbacks is not None and max_callbacks < 1:
            raise ValueError(f"max_callbacks counts from 1, got {max_callbacks}")
        self.max_dispatch = max_dispatch or 0
        self.max_callbacks = max_callbacks or 0
        self.is_limited = bool(max_dispatch or max_callbacks)
        self.poller_ = <Poller?>make_poller(poller)
        self.flush_every = flush_every
        self.root = Scope.__new__(Scope)
        self.root.engine = self
        self.root.label = "loop"
        self.root.linger_time = 5.0
        self.root.created = self.clock()
        self.root.own_context()  # now, and not from whoever uses it first
        loops.add(self)

    @property
    def scope(self):
        """The root scope: everything that no other scope owns."""
        return self.root

    @property
    def poller(self):
        """The poller in use."""
        return self.poller_

    def tree(self):
        """Who owns what, one line each, with ages and byte counts."""
        return self.root.tree()

    def time(self):
        """Monotonic seconds: what `call_at` counts in."""
        return self.clock()

    @cython.binding(False)
    def call_soon(self, callback, *args, context=None):
        """Call `callback(*args)` in the next pass; see `asyncio.loop.call_soon`."""
        cdef Handle handle
        if self.is_dead:
            raise self.refusal()
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_soon")
            handle = Handle(callback, args, self, context, True)
        else:
            handle = one_shot(self, callback, args, context)
        self.ready.push(handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """Like `call_soon`, from any thread or signal handler."""
        cdef Handle handle
        if self.is_dead:
            raise self.refusal()
        if self._debug:
            self._check_callback(callback, "call_soon_threadsafe")
        handle = Handle(callback, args, self, context, self._debug)
        self.ready.push(handle)
        if self.is_sleeping:
            self._write_to_self()
        return handle

    @cython.binding(False)
    def call_later(self, delay, callback, *args, context=None):
        """Call `callback(*args)` after `delay` seconds; see `asyncio.loop.call_later`."""
        if delay is None:
            raise TypeError("delay must not be None")
        return set_timer(self, self.clock() + <double>delay, callback, args, context)

    @cython.binding(False)
    def call_at(self, when, callback, *args, context=None):
        """Call `callback(*args)` at `when` of the loop's clock; see `asyncio.loop.call_at`."""
        if when is None:
            raise TypeError("when cannot be None")
        return set_timer(self, when, callback, args, context)

    @cython.binding(False)
    def create_future(self):
        """A future of this loop; see `asyncio.loop.create_future`."""
        return Future(loop=self)

    @cython.binding(False)
    def create_task(self, coro, *, name=None, context=None, **options):
        """A task of this loop; see `asyncio.loop.create_task`."""
        # Factories, closed loops and the tracebacks of debug mode are the standard library's.
        if self._debug or self.is_dead or self._task_factory is not None:
            return super().create_task(coro, name=name, context=context, **options)
        if name is None and context is None and not options:
            return Task(coro, loop=self)
        return Task(coro, loop=self, name=name, context=context, **options)

    def _add_callback(self, handle):
        # The standard library's signal path brings handles of its own.
        if not handle._cancelled:
            self.ready.push(handle)

    def _add_callback_signalsafe(self, handle):
        self._add_callback(handle)
        self._write_to_self()

    def _timer_handle_cancelled(self, handle):
        pass  # the handles of this loop tell the heap themselves

    def _add_reader(self, fd, callback, *args):
        if self.is_dead:
            raise self.refusal()
        handle = Handle(callback, args, self, None, self._debug)
        return set_handle(self, self.poller_, fd, handle, READ)

    def _add_writer(self, fd, callback, *args):
        if self.is_dead:
            raise self.refusal()
        handle = Handle(callback, args, self, None, self._debug)
        return set_handle(self, self.poller_, fd, handle, WRITE)

    def _remove_reader(self, fd):
        return remove_handle(self.poller_, fd, READ)

    def _remove_writer(self, fd):
        return remove_handle(self.poller_, fd, WRITE)

    def _ensure_fd_no_transport(self, fd):
        cdef Source source = self.poller_.lookup(number_of(fd))
        if source is not None and source.state == OPEN and not isinstance(source, Descriptor):
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {source!r}")

    def _check_closed(self):
        if self.is_dead:
            raise self.refusal()

    def run_once(self, block=True, *, timeout=None):
        """One pass: wait for events, serve them, run what is ready and the timers that are due.

        Callbacks and tasks run as under `run_forever`, and find the loop running.

        Args:
            block: whether it may wait until there is something to do.
            timeout: the longest that it waits, in seconds; None without end.

        Returns:
            How many events, timers and callbacks it served.

        Raises:
            RuntimeError: the loop runs already, or another one does in this thread; it is closed,
                or belongs to the process that forked.
            ValueError: `timeout` is below 0.

        >>> import tether
        >>> loop = tether.Loop()
        >>> _ = loop.call_soon(print, "called")
        >>> loop.run_once(block=False)
        called
        1
        >>> loop.close()
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"a timeout is 0 seconds or more, got {timeout}")
        self._check_closed()
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        cdef unsigned long long before = self.event_count + self.timer_count + self.callback_count
        self.is_single = True
        self.longest_wait = 0 if not block else -1 if timeout is None else timeout
        try:
            self.run_forever()
        finally:
            self.is_single = False
            self.longest_wait = -1
        return self.event_count + self.timer_count + self.callback_count - before

    def stop(self, *, at_once=False):
        """Stop the run after this pass, as asyncio does; see `asyncio.loop.stop`.

        Args:
            at_once: stop when the running callback returns. What is left of the pass stays queued,
                and is served by the next run.
        """
        self._stopping = True
        if at_once:
            self.is_breaking = True

    def on_prepare(self, callback, *, owner=None):
        """Call `callback(timeout)` each time before the loop looks for events.

        `timeout` is how long it is about to wait, in seconds, None where it waits without end. What
        the callback makes ready is not waited for. It ends with `owner`, by default the root scope.

        Raises:
            Closed: the owner is not open any more.
        """
        hook = start_hook(self, callback, owner, True)
        self.prepares = (*(self.prepares or ()), hook)
        return hook

    def on_check(self, callback, *, owner=None):
        """Call `callback()` each time after the loop looked for events, before they are served.

        It ends with `owner`, by default the root scope.

        Raises:
            Closed: the owner is not open any more.
        """
        hook = start_hook(self, callback, owner, False)
        self.checks = (*(self.checks or ()), hook)
        return hook

    @property
    def lag(self):
        """How late the loop is: `last`, `max`, `mean` and `total`, in seconds."""
        return self.lag_

    @property
    def counts(self):
        """What the loop did so far and holds now: passes, events, timers, callbacks, watches."""
        return Counts(
            self.pass_count,
            self.event_count,
            self.timer_count,
            self.callback_count,
            self.watch_count,
            len(self.timers),
            self.ready.count + self.due.count,
        )

    @property
    def now(self):
        """Monotonic seconds at which this pass began to serve: `time()` without asking the clock."""
        return (<Dispatcher>self).now if self.is_passing else self.clock()

    def shut(self):
        """Abort every scope and give back what the engine holds. The loop must not be running.

        Emits one `ResourceWarning` where somebody left a stream, a session or a task open.
        """
        if self.is_inherited:
            forsake(self.root)
            if self.signals is not None:
                self.signals.forsake()
            clear(self)
        if self.is_dead:
            return
        left = self.root.tree() if self.root.waiting else None
        self.is_ending = True
        fatal = None  # an exit leaves when everything is closed
        try:
            self.root.start_abort(None)
        except BaseException as error:
            fatal = error
        while self.root.state != CLOSED and self.ready.count:
            try:
                settle_one(self)
            except BaseException as error:
                fatal = error
        self.is_dead = True
        clear(self)
        try:
            if left is not None:
                # Last, since it may be made an error.
                warnings.warn(
                    f"loop closed with open scopes, which were aborted:\n{left}",
                    ResourceWarning,
                    source=self,
                )
        finally:
            if fatal is not None:
                raise fatal

    def shut_poller(self):
        """Give back the poller's descriptor, last of all."""
        self.poller_.shut()

    def _inherit(self):
        # In a child that was forked: this loop is the parent's. Whoever calls it is refused, and a
        # pass that is running here ends.
        self.is_inherited = self.is_dead = self.is_breaking = True
        self.thread = <unsigned long>-1
        self.poller_.is_inherited = True
        self._thread_id = None
        if getattr(self, "_signal_handlers", None):
            # A signal that comes to the child would wake the parent.
            before = signal.set_wakeup_fd(-1)
            if before != self._csock.fileno():
                signal.set_wakeup_fd(before)

    def _share_signal(self, number):
        # asyncio took or gave back a signal: scopes that watch it are to hear of it all the same.
        share_signal(number)

    cdef object watch(self, object scope, object fd, object events, object callback, bint edge):
        return start_watch(scope, self.poller_, fd, events, callback, edge)

    cdef object on_signal(self, object scope, object number, object callback, tuple args):
        if self.signals is None:
            self.signals = make_signals(self, self.poller_)
        return start_signal(self.signals, scope, number, callback, args)

    cdef int drop_hook(self, object hook) except -1:
        self.prepares = without(self.prepares, hook)
        self.checks = without(self.checks, hook)
        return 0


cdef TimerHandle set_timer(
    Engine engine, double when, object callback, object args, object context
):
    cdef TimerHandle handle
    if engine.is_dead:
        raise engine.refusal()
    if not engine._debug:
        return one_timer(engine.timers, when, engine, callback, args, context)
    engine._check_thread()
    engine._check_callback(callback, "call_at")
    handle = TimerHandle(callback, args, engine, context, True)
    handle.deadline = when
    handle.timers = engine.timers
    engine.timers.push(when, handle)
    return handle


cdef Hook start_hook(Engine engine, object callback, object owner, bint is_prepare):
    cdef Scope scope = engine.root if owner is None else owner
    cdef Hook hook
    scope.check()
    if scope.engine is not engine:
        raise ValueError("the owner lives on another loop")
    if not callable(callback):
        raise TypeError(f"a callback has to be callable, got {callback!r}")
    hook = Hook.__new__(Hook)
    hook.callback = callback
    hook.is_prepare = is_prepare
    scope.attach(hook)
    return hook


cdef tuple without(tuple hooks, object hook):
    if hooks is None:
        return None
    return tuple([one for one in hooks if one is not hook]) or None


cdef int clear(Engine engine) except -1:
    for queue in (engine.ready, engine.due, engine.flushes, engine.unread):
        (<Ready>queue).clear()
    return engine.timers.clear()


cdef int forsake(Scope scope) except -1:
    # A forked child closes its copies of the descriptors, and says nothing to any peer.
    cdef Member member = scope.first
    if isinstance(scope, Source):
        (<Source>scope).forsake()
    while member is not None:
        if isinstance(member, Scope):
            forsake(<Scope>member)
        member = member.next
    return 0


def inherit_loops():
    """In a forked child: its parent's loops are not its own."""
    for loop in list(loops):
        loop._inherit()
    forget_signals()


os.register_at_fork(after_in_child=inherit_loops)


cdef int settle_one(Engine engine) except -1:
    # While the loop shuts down only the closing of scopes still happens.
    cdef object item = engine.ready.pop()
    if isinstance(item, Scope):
        (<Work>item).run()
    return 0
