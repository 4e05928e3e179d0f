# The poller interface, and sources: scopes with a descriptor. Knows no stream and no loop.

from libc.stdint cimport uint32_t

from cpython.ref cimport PyObject

from tether.engine.scope cimport Scope

cdef enum:
    READ = 1    # there is something to read, or the end of file
    WRITE = 2   # there is room to write
    CLOSED_BY_PEER = 4   # the peer shut its side down; all that came before can still be read
    HANGUP = 8  # both sides are down, or an error is pending: reading or writing will say which
    EDGE = 16   # report changes only: who asks for it calls `rearm` where it meets EAGAIN

cdef enum:
    GONE = 1    # what `apply` and `watch` say of a number that means another file by now


cdef struct Slot:
    PyObject* source
    uint32_t generation
    uint32_t interest


cdef struct Event:
    int descriptor
    uint32_t generation
    uint32_t what


cdef class Source(Scope):
    cdef int on_event(self, uint32_t what) except -1
    cdef int flush(self) except -1
    cdef int read_pending(self) except -1
    cdef object described(self)
    cdef bint give_way(self) except -1
    cdef int forsake(self) except -1


cdef class Poller:
    cdef readonly str name
    cdef readonly bint edge, early_close
    cdef readonly long max_fd
    cdef bint is_inherited  # by a forked child: what the system keeps is the parent's
    cdef Slot* slots
    cdef Py_ssize_t slot_count
    cdef uint32_t generation
    cdef Event* events
    cdef Py_ssize_t event_count, event_next, event_capacity
    cdef int watch(self, int descriptor, Source source, uint32_t interest) except -1
    cdef int change(self, int descriptor, uint32_t interest) except -1
    cdef int unwatch(self, int descriptor) except -1
    cdef Source lookup(self, int descriptor)
    cdef int poll(self, double timeout) except -1
    cdef int apply(self, int descriptor, uint32_t before, uint32_t after) except -1
    cdef int arm(self, int descriptor, uint32_t what) except -1
    cdef int add_event(self, int descriptor, uint32_t what) except -1
    cdef int shut(self) except -1


cdef int milliseconds(double timeout) noexcept


cdef inline int rearm(Poller poller, int descriptor, uint32_t what) except -1:
    # A source that asked for EDGE met EAGAIN: from now on the next change is to be reported. Where
    # the system reports edges itself this is nothing but the look at `edge`.
    return 0 if poller.edge else poller.arm(descriptor, what)
