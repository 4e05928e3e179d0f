# One pass of the loop after another. Knows sources, work and the poller interface, no scope's kinds.

from tether.engine.lag cimport Lag
from tether.engine.poller cimport Poller, Source
from tether.engine.waiter cimport Dispatcher
from tether.engine.work cimport Ready, Work


cdef class Passes(Dispatcher):
    cdef object __weakref__
    cdef Poller poller_
    cdef Ready due         # timers whose time has come
    cdef Ready flushes     # sources that wrote while events were served
    cdef Ready unread      # sources that stopped reading early and have more
    cdef char* receive     # the loop's one receive buffer
    cdef Py_ssize_t receive_size, flush_every
    cdef public bint _stopping, _debug
    cdef bint is_passing, is_sleeping
    cdef bint is_breaking  # the pass ends now, and what is queued stays queued
    cdef bint is_single    # one pass only
    cdef double longest_wait      # seconds that this run may wait at once, below 0 without end
    cdef double max_dispatch      # seconds each kind of work gets in a pass, 0 without end
    cdef Py_ssize_t max_callbacks  # how many of each kind run in a pass, 0 without end
    cdef bint is_limited
    cdef tuple prepares, checks
    cdef Lag lag_
    cdef double busy_since  # when events were last looked for, 0 where it slept since
    cdef int quiet          # how often in a row a look for events found none
    cdef double late        # how late the first timer of this pass was
    cdef unsigned long long pass_count, event_count, timer_count, callback_count
    cdef int one_pass(self) except -1
    cdef int look_for_events(self) except -1
    cdef bint may_go_on(self) except -1
    cdef double timeout(self) except -2
    cdef int dispatch(self) except -1
    cdef int gather_due(self) except -1
    cdef int read_unread(self) except -1
    cdef int flush_all(self) except -1
    cdef int run_queue(self, Ready queue, unsigned long long* counter) except -1
    cdef int run_timed(self, object item) except -1
    cdef int serve_timed(self, Source source, unsigned int what) except -1
    cdef int tell_hooks(self, tuple hooks, object argument) except -1
