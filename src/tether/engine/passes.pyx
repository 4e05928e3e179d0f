# One pass of the loop after another. Knows sources, work and the poller interface, no scope's kinds.
#
# A pass: wait for events, serve them (flushing what was written every few streams), go on with
# streams that had more to read, run what was ready when that was done, then the timers that are
# due, flush. What a callback adds to the ready queue runs in the next pass. Where the loop has
# limits, each of these kinds gets its share, and what is left waits for the next pass, in order.

from asyncio import base_events
from asyncio.base_events import _format_handle

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.pythread cimport PyThread_get_thread_ident

from tether.engine.hooks cimport Hook
from tether.engine.lag cimport note
from tether.engine.poller cimport Event, Slot
from tether.engine.waiter cimport Waiter
from tether.engine.work cimport Handle

cdef enum:
    RECEIVE_BUFFER = 256 * 1024
    QUIET = 64  # looks for events in a row that found none

cdef double LONGEST_QUIET = 50e-6  # seconds without a look


cdef class Passes(Dispatcher):
    # What the engine does, again and again.

    def __cinit__(self, *args, **kwargs):
        self.due = Ready()
        self.flushes = Ready()
        self.unread = Ready()
        self.lag_ = Lag()
        self.longest_wait = -1
        self.receive_size = RECEIVE_BUFFER
        self.receive = <char*>PyMem_Malloc(RECEIVE_BUFFER)
        if self.receive == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.receive)

    def _run_once(self):
        """Passes until the loop is stopped; one at least, as asyncio's `run_forever` expects."""
        if self.is_passing:
            raise RuntimeError("the loop is running already")
        if self.is_inherited:
            raise self.refusal()
        self.is_passing = True
        self.thread = <unsigned long>PyThread_get_thread_ident()
        self.busy_since = 0
        self.quiet = 0
        try:
            while not self.is_breaking:
                self.one_pass()
                if self._stopping or self.is_single:
                    break
        finally:
            self.is_passing = False
            self.depth = 0
            if not self.is_inherited:  # else it was forked meanwhile, and this is the child
                self.is_breaking = False
                self.thread = 0
        if self.is_inherited:
            raise self.refusal()
        self._stopping = True  # asyncio's loop around this one ends too

    cdef int one_pass(self) except -1:
        cdef Poller poller = self.poller_
        self.pass_count += 1
        # An exception that left the loop, or a limit, may have left events: an edge comes only once.
        if poller.event_next < poller.event_count:
            self.now = self.clock()
        elif not self.may_go_on():
            self.look_for_events()
        PyErr_CheckSignals()
        self.dispatch()
        if self.unread.count:
            self.read_unread()
        if self.timers.count:
            self.gather_due()
        if self.ready.count:
            self.run_queue(self.ready, &self.callback_count)
        if self.due.count:
            self.run_queue(self.due, &self.timer_count)
        self.flush_all()
        return 0

    cdef int look_for_events(self) except -1:
        cdef double timeout
        if self.prepares is not None:
            timeout = self.timeout()
            self.tell_hooks(self.prepares, timeout if timeout >= 0 else None)
        # Said before the queue is looked at: who calls from a thread after the look wakes us.
        self.is_sleeping = True
        try:
            timeout = self.timeout()
            if timeout != 0 and self.busy_since:
                note(self.lag_, max(self.clock() - self.busy_since, self.late))
                self.busy_since = 0
            self.poller_.poll(timeout)
        finally:
            self.is_sleeping = False
        self.quiet = self.quiet + 1 if timeout == 0 and not self.poller_.event_count else 0
        self.now = self.clock()
        if self.busy_since:
            note(self.lag_, max(self.now - self.busy_since, self.late))
        self.busy_since = self.now
        self.late = 0
        if self.checks is not None:
            self.tell_hooks(self.checks, None)
        return 0

    cdef bint may_go_on(self) except -1:
        # Callbacks ask for callbacks, and nothing else came for long: to ask the system each time
        # would cost more than they do. It is asked again before long, and first in every run.
        if self.quiet < QUIET or not self.ready.count or self._stopping or self.is_single:
            return False
        if self.is_limited or self.prepares is not None or self.checks is not None:
            return False
        self.now = self.clock()
        return self.now - self.busy_since < LONGEST_QUIET

    cdef double timeout(self) except -2:
        # Seconds that the poller may wait; -1 without end.
        cdef double when, timeout = -1
        if (
            self.ready.count or self.due.count or self.unread.count or self.flushes.count
            or self._stopping or self.is_breaking
        ):
            return 0
        when = self.timers.next_when()
        if when >= 0:
            timeout = max(0.0, when - self.clock())
        if self.longest_wait >= 0 and (timeout < 0 or timeout > self.longest_wait):
            timeout = self.longest_wait
        return timeout

    cdef int dispatch(self) except -1:
        cdef Poller poller = self.poller_
        cdef Event* event
        cdef Slot* slot
        cdef Source source
        cdef Py_ssize_t served = 0
        while poller.event_next < poller.event_count and not self.is_breaking:
            event = &poller.events[poller.event_next]
            poller.event_next += 1
            if event.descriptor >= poller.slot_count:
                continue
            slot = &poller.slots[event.descriptor]
            if slot.source == NULL or slot.generation != event.generation:
                continue  # polled for a source that is gone
            source = <Source>slot.source
            self.event_count += 1
            try:
                if self._debug:
                    self.serve_timed(source, event.what)
                else:
                    source.on_event(event.what)
            except Exception as error:
                source.contain(error)
            if self.flushes.count >= self.flush_every:
                self.flush_all()
            served += 1
            if self.is_limited and is_spent(self, served, self.now):
                break
        return 0

    cdef int read_unread(self) except -1:
        cdef Py_ssize_t served = 0, count = self.unread.count
        cdef double began = self.clock() if self.is_limited else 0
        cdef Source source
        while served < count and not self.is_breaking:
            served += 1
            source = self.unread.pop()
            try:
                source.read_pending()
            except Exception as error:
                source.contain(error)
            if self.flushes.count >= self.flush_every:
                self.flush_all()
            if self.is_limited and is_spent(self, served, began):
                break
        return 0

    cdef int flush_all(self) except -1:
        # Those that are there now: whoever writes because there is room again waits for his turn.
        cdef Py_ssize_t count = self.flushes.count
        cdef Source source
        while count and self.flushes.count and not self.is_breaking:
            count -= 1
            source = self.flushes.pop()
            try:
                source.flush()
            except Exception as error:
                source.contain(error)
        return 0

    cdef int gather_due(self) except -1:
        # Timers have a queue of their own, so that they do not wait behind a flood of callbacks.
        cdef double when = self.timers.next_when(), now
        if when >= 0:
            now = self.clock()
            if when <= now and self.timers.due(now, self.due):
                self.late = now - self.timers.first
        return 0

    cdef int run_queue(self, Ready queue, unsigned long long* counter) except -1:
        # Those that are there now; in order.
        cdef Py_ssize_t served = 0, count = queue.count
        cdef double began = self.clock() if self.is_limited else 0
        while served < count and not self.is_breaking:
            served += 1
            counter[0] += 1
            if self._debug:
                self.run_timed(queue.pop())
            else:
                run_item(self, queue.pop())
            if self.flushes.count >= self.flush_every:
                self.flush_all()
            if self.is_limited and is_spent(self, served, began):
                break
        return 0

    cdef int run_timed(self, object item) except -1:
        # In debug mode: who holds the loop for long is named in asyncio's log.
        cdef double began = self.clock(), took
        cdef bint is_handle = isinstance(item, Handle) or not isinstance(item, Work)
        described = item
        if isinstance(item, Waiter):
            described = getattr((<Waiter>item).callback, "__self__", item)  # the task that waits
        elif not is_handle:
            described = repr(item)  # now: a timer that was cancelled has lost its callback
        self._current_handle = item if is_handle else None
        self.depth = 1  # whom it wakes is queued, and named by itself
        try:
            run_item(self, item)
        finally:
            self.depth = 0
            self._current_handle = None
        took = self.clock() - began
        if took >= self.slow_callback_duration:
            text = _format_handle(item) if is_handle else described
            base_events.logger.warning("Executing %s took %.3f seconds", text, took)
        return 0

    cdef int serve_timed(self, Source source, unsigned int what) except -1:
        cdef double began = self.clock(), took
        described = source.described()
        self.depth = 1
        try:
            source.on_event(what)
        finally:
            self.depth = 0
        took = self.clock() - began
        if took >= self.slow_callback_duration:
            base_events.logger.warning("Executing %s took %.3f seconds", described, took)
        return 0

    cdef int tell_hooks(self, tuple hooks, object argument) except -1:
        cdef Hook hook
        for hook in hooks:
            hook.tell(argument)
        return 0


cdef inline int run_item(Passes passes, object item) except -1:
    cdef Work work
    if isinstance(item, Handle):
        work = <Work>item
        if not work.is_cancelled:
            passes.depth = 1
            try:
                work.run()
            finally:
                passes.depth = 0
    elif isinstance(item, Work):
        work = <Work>item
        if not work.is_cancelled:
            work.run()
    elif not item._cancelled:
        passes.depth = 1
        try:
            item._run()
        finally:
            passes.depth = 0
    return 0


cdef inline bint is_spent(Passes passes, Py_ssize_t served, double began) except -1:
    if passes.max_callbacks and served >= passes.max_callbacks:
        return True
    return passes.max_dispatch > 0 and passes.clock() - began >= passes.max_dispatch
