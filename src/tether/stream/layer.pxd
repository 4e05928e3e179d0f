# What may stand between a stream's plaintext and the wire. Knows bytes, no stream and no protocol.

from tether.stream.output cimport Output


cdef class Layer:
    cdef Layer below           # None where the wire is the system's
    cdef Output wire           # what this layer made for the wire and nobody below has taken yet
    cdef Py_ssize_t pull(self, int descriptor, char* where, Py_ssize_t room) except -2
    cdef Py_ssize_t send(self, int descriptor, Output plain) except -2
    cdef bint can_send(self, Output plain) noexcept
    cdef Py_ssize_t waiting_bytes(self) noexcept
    cdef bint finish(self) except -1
    cdef int half_close(self, int descriptor) except -2
    cdef int closing(self) except -1
    cdef int drop(self) except -1
    cdef object ssl_object(self)
    cdef int cut(self, bint resets) except -1
    # For the kinds of layers:
    cdef Py_ssize_t receive(self, int descriptor, char* where, Py_ssize_t room) except -2
    cdef Py_ssize_t hand_down(self, int descriptor) except -2
    cdef Output to_wire(self)
    cdef bint can_hand_down(self) noexcept
