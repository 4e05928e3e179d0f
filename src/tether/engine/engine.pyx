# The loop itself: one pass after another. Knows sources, scopes and the poller interface, no stream.
#
# A pass: wait for events, serve them (flushing what was written every few streams), go on with
# streams that had more to read, hand on the timers that are due, run what was ready when the pass
# began, flush. What a callback adds to the ready queue runs in the next pass.

import asyncio
import warnings

from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.pythread cimport PyThread_get_thread_ident

from tether.engine.descriptor cimport Descriptor
from tether.engine.poller cimport READ, WRITE, Event, Slot
from tether.engine.scope cimport CLOSED, CLOSING, OPEN, Member
from tether.engine.timers cimport TimerHandle
from tether.engine.work cimport Handle, Work

from tether.engine.pollers import make_poller

cdef enum:
    RECEIVE_BUFFER = 256 * 1024
    FLUSH_EVERY = 32


cdef class Engine(Dispatcher):
    """The native half of the loop: ready queue, timers, polling, and the root of all scopes.

    Args:
        poller: "epoll", "poll" or "select"; the default is what `TETHER_POLLER` names, else the
            best there is.
        flush_every: how many streams may write before what they wrote is sent.
    """

    def __cinit__(self, *args, **kwargs):
        self.flushes = Ready()
        self.unread = Ready()
        self.receive_size = RECEIVE_BUFFER
        self.receive = <char*>PyMem_Malloc(RECEIVE_BUFFER)
        if self.receive == NULL:
            raise MemoryError

    def __init__(self, *, poller=None, flush_every=FLUSH_EVERY):
        if flush_every < 1:
            raise ValueError(f"flush_every counts streams from 1, got {flush_every}")
        self.poller_ = <Poller?>make_poller(poller)
        self.flush_every = flush_every
        self.root = Scope.__new__(Scope)
        self.root.engine = self
        self.root.label = "loop"
        self.root.linger_time = 5.0
        self.root.created = self.clock()
        self.root.own_context()  # now, and not from whoever uses it first

    def __dealloc__(self):
        PyMem_Free(self.receive)

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

    def call_soon(self, callback, *args, context=None):
        """Call `callback(*args)` in the next pass; see `asyncio.loop.call_soon`."""
        cdef Handle handle
        if self.is_dead:
            raise RuntimeError("Event loop is closed")
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_soon")
            handle = Handle(callback, args, self, context, True)
        else:
            handle = Handle.__new__(Handle)
            handle.callback = callback
            handle.args = args
            handle.loop = self
            handle.context = PyContext_CopyCurrent() if context is None else context
        self.ready.push(handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """Like `call_soon`, from any thread or signal handler."""
        cdef Handle handle
        if self.is_dead:
            raise RuntimeError("Event loop is closed")
        if self._debug:
            self._check_callback(callback, "call_soon_threadsafe")
        handle = Handle(callback, args, self, context, self._debug)
        self.ready.push(handle)
        if self.is_sleeping:
            self._write_to_self()
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """Call `callback(*args)` after `delay` seconds; see `asyncio.loop.call_later`."""
        if delay is None:
            raise TypeError("delay must not be None")
        return self.call_at(self.clock() + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        """Call `callback(*args)` at `when` of the loop's clock; see `asyncio.loop.call_at`."""
        cdef TimerHandle handle
        if when is None:
            raise TypeError("when cannot be None")
        if self.is_dead:
            raise RuntimeError("Event loop is closed")
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_at")
        handle = TimerHandle(callback, args, self, context, self._debug)
        handle.deadline = when
        handle.heap = self.timers
        self.timers.push(handle.deadline, handle)
        return handle

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
        return set_handle(self, fd, Handle(callback, args, self, None, self._debug), False)

    def _add_writer(self, fd, callback, *args):
        return set_handle(self, fd, Handle(callback, args, self, None, self._debug), True)

    def _remove_reader(self, fd):
        return remove_handle(self, fd, False)

    def _remove_writer(self, fd):
        return remove_handle(self, fd, True)

    def _ensure_fd_no_transport(self, fd):
        cdef Source source = self.poller_.lookup(number_of(fd))
        if source is not None and source.state == OPEN and not isinstance(source, Descriptor):
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {source!r}")

    def _run_once(self):
        """Passes until the loop is stopped; one at least, as asyncio's `run_forever` expects."""
        if self.is_passing:
            raise RuntimeError("the loop is running already")
        self.is_passing = True
        self.thread = <unsigned long>PyThread_get_thread_ident()
        try:
            while True:
                self.one_pass()
                if self._stopping:
                    break
        finally:
            self.is_passing = False
            self.thread = 0
            self.depth = 0

    def shut(self):
        """Abort every scope and give back what the engine holds. The loop must not be running.

        Emits one `ResourceWarning` where somebody left a stream, a session or a task open.
        """
        if self.is_dead:
            return
        left = self.root.tree() if self.root.waiting else None
        self.is_ending = True
        self.root.start_abort(None)
        while self.root.state != CLOSED and self.ready.count:
            settle_one(self)
        self.is_dead = True
        self.ready.clear()
        self.timers.clear()
        self.flushes.clear()
        self.unread.clear()
        if left is not None:
            # Last, since it may be made an error.
            warnings.warn(
                f"loop closed with open scopes, which were aborted:\n{left}",
                ResourceWarning,
                source=self,
            )

    def shut_poller(self):
        """Give back the poller's descriptor, last of all."""
        self.poller_.shut()

    cdef int one_pass(self) except -1:
        cdef Poller poller = self.poller_
        cdef double timeout = -1.0, when
        # An exception that left the loop may have left events behind: an edge comes only once.
        if poller.event_next >= poller.event_count:
            # Said before the queue is looked at: who calls from a thread after the look wakes us.
            self.is_sleeping = True
            try:
                when = self.timers.next_when()
                if (
                    self.ready.count or self.unread.count or self.flushes.count or self._stopping
                ):
                    timeout = 0
                elif when >= 0:
                    timeout = max(0.0, when - self.clock())
                poller.poll(timeout)
            finally:
                self.is_sleeping = False
        PyErr_CheckSignals()
        self.now = self.clock()
        self.dispatch()
        if self.unread.count:
            self.read_unread()
        if self.timers.count:
            self.timers.due(self.clock(), self.ready)
        self.run_ready()
        self.flush_all()
        return 0

    cdef int dispatch(self) except -1:
        cdef Poller poller = self.poller_
        cdef Event* event
        cdef Slot* slot
        cdef Source source
        while poller.event_next < poller.event_count:
            event = &poller.events[poller.event_next]
            poller.event_next += 1
            if event.descriptor >= poller.slot_count:
                continue
            slot = &poller.slots[event.descriptor]
            if slot.source == NULL or slot.generation != event.generation:
                continue  # polled for a source that is gone
            source = <Source>slot.source
            try:
                source.on_event(event.what)
            except Exception as error:
                source.contain(error)
            if self.flushes.count >= self.flush_every:
                self.flush_all()
        return 0

    cdef int read_unread(self) except -1:
        cdef Py_ssize_t count = self.unread.count
        cdef Source source
        while count:
            count -= 1
            source = self.unread.pop()
            try:
                source.read_pending()
            except Exception as error:
                source.contain(error)
            if self.flushes.count >= self.flush_every:
                self.flush_all()
        return 0

    cdef int flush_all(self) except -1:
        # Those that are there now: whoever writes because there is room again waits for his turn.
        cdef Py_ssize_t count = self.flushes.count
        cdef Source source
        while count and self.flushes.count:
            count -= 1
            source = self.flushes.pop()
            try:
                source.flush()
            except Exception as error:
                source.contain(error)
        return 0

    cdef int run_ready(self) except -1:
        cdef Py_ssize_t count = self.ready.count
        cdef object item
        cdef Work work
        while count:
            count -= 1
            item = self.ready.pop()
            if isinstance(item, Handle):
                work = <Work>item
                if not work.is_cancelled:
                    self.depth = 1
                    try:
                        work.run()
                    finally:
                        self.depth = 0
            elif isinstance(item, Work):
                work = <Work>item
                if not work.is_cancelled:
                    work.run()
            elif not item._cancelled:
                self.depth = 1
                try:
                    item._run()
                finally:
                    self.depth = 0
            if self.flushes.count >= self.flush_every:
                self.flush_all()
        return 0


cdef int number_of(object fd) except -1:
    cdef int number
    if isinstance(fd, int):
        number = fd
    else:
        try:
            number = int(fd.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fd!r}") from None
    if number < 0:
        raise ValueError(f"Invalid file descriptor: {number}")
    return number


cdef Descriptor watched(Engine engine, object fd):
    cdef Source source
    cdef Descriptor descriptor
    if engine.is_dead:
        raise RuntimeError("Event loop is closed")
    source = engine.poller_.lookup(number_of(fd))
    if source is None:
        descriptor = Descriptor.__new__(Descriptor)
        descriptor.engine = engine
        return descriptor
    if not isinstance(source, Descriptor):
        raise RuntimeError(f"File descriptor {fd!r} is used by {source!r}")
    return <Descriptor>source


cdef Descriptor found(Engine engine, object fd):
    cdef Source source = engine.poller_.lookup(number_of(fd))
    return <Descriptor>source if isinstance(source, Descriptor) else None


cdef Handle set_handle(Engine engine, object fd, Handle handle, bint writes):
    cdef Descriptor descriptor = watched(engine, fd)
    cdef Handle previous
    if writes:
        previous, descriptor.writer = descriptor.writer, handle
    else:
        previous, descriptor.reader = descriptor.reader, handle
    apply_interest(engine, number_of(fd), descriptor)
    if previous is not None:
        previous.cancel()
    return handle


cdef bint remove_handle(Engine engine, object fd, bint writes) except -1:
    cdef Descriptor descriptor = found(engine, fd)
    cdef Handle previous
    if descriptor is None:
        return False
    previous = descriptor.writer if writes else descriptor.reader
    if previous is None:
        return False
    if writes:
        descriptor.writer = None
    else:
        descriptor.reader = None
    apply_interest(engine, number_of(fd), descriptor)
    previous.cancel()
    return True


cdef int apply_interest(Engine engine, int number, Descriptor descriptor) except -1:
    cdef int interest = 0
    if descriptor.reader is not None:
        interest |= READ
    if descriptor.writer is not None:
        interest |= WRITE
    if interest:
        engine.poller_.watch(number, descriptor, interest)
    else:
        engine.poller_.unwatch(number)
    return 0


cdef int settle_one(Engine engine) except -1:
    # While the loop shuts down only the closing of scopes still happens.
    cdef object item = engine.ready.pop()
    if isinstance(item, Scope):
        (<Work>item).run()
    return 0
