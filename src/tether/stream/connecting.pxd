# One attempt to connect one socket to one address. Knows no names, no deadlines, no retries.

from libc.stdint cimport uint32_t

from tether.engine.engine cimport Engine
from tether.engine.poller cimport Source
from tether.engine.waiter cimport Waiter


cdef class Connecting(Source):
    cdef Engine home
    cdef object socket
    cdef int descriptor, result
    cdef bint is_over, was_handed_on, is_local_failure
    cdef Waiter waiter
    cdef int bind(self, object local) except -1
    cdef bint is_connected_to_itself(self) except -1
    cdef int finish(self, int result) except -1
