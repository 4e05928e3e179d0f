# What may stand between a stream's plaintext and the wire. Knows bytes, no stream and no protocol.


cdef class Layer:
    cdef Py_ssize_t pull(self, char* where, Py_ssize_t room) except -2
    cdef Py_ssize_t send(self, int descriptor) except -2
    cdef bint can_send(self) noexcept
    cdef Py_ssize_t waiting_bytes(self) noexcept
    cdef bint finish(self) except -1
    cdef int closing(self) except -1
    cdef int drop(self) except -1
    cdef object ssl_object(self)
