# How many connections there are, and from where: the limits of one listener. Knows no socket.

from tether.engine.scope cimport Alarm, Scope

cdef enum:
    HAS_ROOM = 34     # alarms of the listener's: there is room again
    BURST_OVER = 35   # nobody is refused any more


cdef class Tally:
    cdef Py_ssize_t count   # connections that are open
    cdef int left(self) except -1


cdef class Admission(Tally):
    cdef Scope listener
    cdef Py_ssize_t most, most_each
    cdef bint was_full
    cdef dict addresses
    cdef unsigned long long refused, burst_size
    cdef double refused_at, full_at
    cdef set burst_addresses
    cdef Alarm burst_alarm
    cdef bint is_full(self) noexcept
    cdef Tally enter(self, unsigned char* address)
    cdef int refuse(self, unsigned char* address) except -1
    cdef int told_full(self) except -1
    cdef int burst_over(self) except -1
    cdef int end_burst(self) except -1
    cdef int close(self) except -1
