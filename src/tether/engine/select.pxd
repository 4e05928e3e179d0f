# POSIX select(2) behind the poller interface. Knows descriptors only.

from tether.engine.level cimport LevelPoller

cdef extern from "<sys/select.h>" nogil:
    ctypedef struct fd_set:
        pass


cdef class Select(LevelPoller):
    cdef fd_set readers, writers
    cdef int highest
