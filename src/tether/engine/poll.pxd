# POSIX poll(2) behind the poller interface. Knows descriptors only.

from tether.engine.level cimport LevelPoller

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents


cdef class Poll(LevelPoller):
    cdef pollfd* asked      # dense: what is watched, in no order
    cdef pollfd* answered   # what the system writes into, so that `asked` may change meanwhile
    cdef Py_ssize_t count, capacity, answered_capacity
    cdef int* places        # by descriptor: its place in `asked` and 1, or 0
    cdef Py_ssize_t place_count
