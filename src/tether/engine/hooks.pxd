# Callbacks around the loop's look for events. Knows their owner, no poller and no loop.

from tether.engine.members cimport Member


cdef class Hook(Member):
    cdef object callback
    cdef bint is_prepare
    cdef int tell(self, object timeout) except -1
