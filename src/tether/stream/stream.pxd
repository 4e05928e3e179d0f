# What people do with a stream: send, read, callbacks. Knows the channel under it, no protocol.

from tether.engine.waiter cimport Waiter
from tether.stream.channel cimport Channel


cdef enum:
    HAND_ON = 18


cdef class Stream(Channel):
    cdef object data_callback, eof_callback, drain_callback, failed_attempts
    cdef Waiter read_waiter
    cdef bint eof_told
    cdef int wake_reader(self) except -1
    cdef int hand_on(self) except -1
