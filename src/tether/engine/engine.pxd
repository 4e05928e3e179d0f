# The loop itself: one pass after another. Knows sources, scopes and the poller interface, no stream.

from tether.engine.poller cimport Poller, Source
from tether.engine.scope cimport Scope
from tether.engine.waiter cimport Dispatcher
from tether.engine.work cimport Ready


cdef class Engine(Dispatcher):
    cdef object __weakref__
    cdef Poller poller_
    cdef Scope root
    cdef Ready flushes     # sources that wrote while events were served
    cdef Ready unread      # sources that stopped reading early and have more
    cdef char* receive     # the loop's one receive buffer
    cdef Py_ssize_t receive_size, flush_every
    cdef public bint _stopping, _debug
    cdef bint is_passing, is_sleeping, is_ending
    cdef int one_pass(self) except -1
    cdef int dispatch(self) except -1
    cdef int read_unread(self) except -1
    cdef int flush_all(self) except -1
    cdef int run_ready(self) except -1
