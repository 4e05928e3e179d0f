# What `read`, `readexactly` and `readuntil` return. Knows what a channel has received, no user.

from tether.engine.waiter cimport Awaiting
from tether.stream.channel cimport Channel


cdef class Reading(Awaiting):
    cdef Channel stream
    cdef Py_ssize_t size, searched, length
    cdef bint exactly
    cdef bytes separator
    cdef bint found(self, bytearray inbox, Py_ssize_t have) except -1


cdef Reading start_reading(Channel stream, Py_ssize_t size, bint exactly, bytes separator)
