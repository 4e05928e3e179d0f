# One attempt to connect one socket to one address. Knows no names, no deadlines, no retries.

from libc.stdint cimport uint32_t

from tether.engine.engine cimport Engine
from tether.engine.poller cimport Source
from tether.engine.waiter cimport Waiter


cdef class Connecting(Source):
    cdef Engine home
    cdef object socket
    cdef int descriptor, result
    cdef bint is_over, was_handed_on
    cdef Waiter waiter
    cdef int finish(self, int result) except -1
