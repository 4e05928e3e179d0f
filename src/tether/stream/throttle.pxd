# The layer that holds a stream to its rates. Knows channels and limits, no clock.

from tether.engine.work cimport Work
from tether.stream.channel cimport Channel
from tether.stream.layer cimport Layer
from tether.stream.rate_limit cimport RateLimit


cdef class Throttle(Layer):
    cdef Channel stream
    cdef RateLimit reading, writing
    cdef int set_limit(self, RateLimit limit, bint is_reading) except -1


cdef class GoOn(Work):
    cdef Throttle throttle
    cdef bint is_reading
