# A wire that is as bad as wires can be, for tests. Knows channels, no user and no protocol.

from tether.engine.work cimport Work
from tether.stream.channel cimport Channel
from tether.stream.layer cimport Layer


cdef class Faults(Layer):
    cdef Channel stream
    cdef object decide
    cdef bint is_held          # nothing can be sent until a pass is over
    cdef int later(self, bint is_reading) except -1


cdef class Later(Work):
    cdef Faults faults
    cdef bint is_reading
