# What pollers share whose system reports levels only. Knows descriptors only.

from libc.stdint cimport uint32_t

from tether.engine.poller cimport Poller


cdef class LevelPoller(Poller):
    cdef uint32_t* armed    # by descriptor: what the system is asked for now
    cdef Py_ssize_t armed_count
    cdef int ask(self, int descriptor, uint32_t what) except -1
    cdef int report(self, int descriptor, uint32_t what) except -1
    cdef int forget(self, int descriptor) except -1
