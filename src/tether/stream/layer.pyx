# What may stand between a stream's plaintext and the wire. Knows bytes, no stream and no protocol.
#
# A stream asks its layer as it would ask the system: `pull` is its recv, `send` its send, with the
# same answers and the same errno. So consumers, marks and closing are the same with and without.


cdef class Layer:
    """Turns what is on the wire into plaintext, and plaintext into what goes on the wire."""

    cdef Py_ssize_t pull(self, char* where, Py_ssize_t room) except -2:
        # Plaintext, as `recv` gives it: 0 at the end, -1 with errno (EAGAIN: none now).
        raise NotImplementedError

    cdef Py_ssize_t send(self, int descriptor) except -2:
        # One system call for what waits; what it took of the wire's bytes, or -1 with errno.
        raise NotImplementedError

    cdef bint can_send(self) noexcept:
        # Whether `send` has something that can go on the wire now.
        return False

    cdef Py_ssize_t waiting_bytes(self) noexcept:
        # What waits to be sent beside the stream's own output.
        return 0

    cdef bint finish(self) except -1:
        # All that was written is sent: whether there is a last word to send after it.
        return False

    cdef int closing(self) except -1:
        # The stream entered closing; what was written still goes out.
        return 0

    cdef int drop(self) except -1:
        # Nothing more goes out.
        return 0

    cdef object ssl_object(self):
        # What Python's `ssl` has of it; None before there is anything to ask it.
        return None
