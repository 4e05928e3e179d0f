# One side of one TLS connection: bytes in, bytes out. Knows `ssl`, no stream and no descriptor.

from tether.stream.output cimport Output


cdef enum Status:
    DRY = 0       # it needs more from the wire
    MORE = 1      # it has more to give
    ENDED = 2     # the peer said goodbye (close_notify)
    BROKEN = 3    # `error` says why


cdef class Session:
    cdef object ssl_object
    cdef object error        # an exception, where something failed
    cdef Status status       # how the last `read` ended
    cdef int handshake(self) except -1
    cdef int feed(self, const char* data, Py_ssize_t size) except -1
    cdef int settle(self) except -1
    cdef Py_ssize_t read(self, char* where, Py_ssize_t room) except -1
    cdef Py_ssize_t seal(self, Output plain, Py_ssize_t limit, const char** where) except -1
    cdef int sealed_taken(self) except -1
    cdef Py_ssize_t produced(self, const char** where) except -1
    cdef int taken(self) except -1
    cdef int goodbye(self) except -1


cdef class ObjectSession(Session):
    cdef object incoming, outgoing
    cdef bytes piece
