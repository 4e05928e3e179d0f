# Transforms of what a stream sends and receives. Knows channels, no wire and no protocol.

from tether.stream.channel cimport Channel
from tether.stream.layer cimport Layer
from tether.stream.output cimport Output


cdef class Filter:
    cdef object __weakref__
    cdef bint is_used


cdef class FilterLayer(Layer):
    cdef Channel stream
    cdef Filter filter
    cdef object encoding, decoding  # iterators over pieces that were not asked for yet
    cdef bytes piece                # decoded, and from `start` on nobody took it
    cdef Py_ssize_t start
    cdef Py_ssize_t encoding_size   # bytes that were sent and are being encoded
    cdef bint is_encoding           # the filter's code runs
    cdef bint holds_back            # it may hold back what was sent: it was not flushed since
    cdef bint is_dropped            # nothing more goes out
    cdef bint is_broken             # nothing more is decoded
    cdef bint has_ended             # its last bytes were asked for
    cdef bint is_at_end, was_told   # the peer's end of file came; and the filter knows
    cdef int decode_more(self) except -1
    cdef int encode_more(self, Output plain) except -1
    cdef object ask(self, object method, object data, bint is_sending)
    cdef bytes advance(self, object pieces, bint is_sending)
    cdef int fail(self, object error, bint is_sending) except -1
