# What people do with a stream: send, read, callbacks, marks. Knows the channel under it, no protocol.

from tether.stream.timed cimport Timed


cdef enum:
    HAND_ON = 44
    TELL_LEFT = 45


cdef class Stream(Timed):
    cdef object data_callback, eof_callback, drain_callback, peer_closed_callback, failed_attempts
    cdef bint eof_told, left_told
    cdef Py_ssize_t read_low
    cdef object own_socket(self)
    cdef int check_reader(self) except -1
    cdef int hand_on(self) except -1
