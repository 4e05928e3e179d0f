# Two streams that are connected in memory. Knows channels and their events, no descriptor.

from libc.stdint cimport uint32_t

from tether.engine.work cimport Work
from tether.stream.channel cimport Channel
from tether.stream.layer cimport Layer
from tether.stream.output cimport Output


cdef class Notice(Work):
    cdef PairEnd end
    cdef uint32_t what


cdef class PairEnd(Layer):
    cdef Channel stream
    cdef PairEnd other       # None once the other side has closed
    cdef Output inbound      # what the other side sent and this one has not read
    cdef Py_ssize_t capacity
    cdef bint is_at_end      # nothing comes after it
    cdef bint is_reset       # and that was no orderly end
    cdef bint is_full        # the other side waits for room
    cdef Notice notice
    cdef int tell(self, uint32_t what) except -1
