# What pollers share whose system reports levels only. Knows descriptors only.

from libc.stdint cimport uint32_t

from tether.engine.poller cimport Poller


cdef struct Level:
    uint32_t armed      # what the system is asked for now
    unsigned long long device, inode    # which file it was when the watch began


cdef class LevelPoller(Poller):
    cdef Level* levels  # by descriptor
    cdef Py_ssize_t level_count
    cdef int ask(self, int descriptor, uint32_t what) except -1
    cdef int report(self, int descriptor, uint32_t what) except -1
    cdef int forget(self, int descriptor) except -1
