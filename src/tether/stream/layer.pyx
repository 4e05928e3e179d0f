# What may stand between a stream's plaintext and the wire. Knows bytes, no stream and no protocol.
#
# A stream asks its layer as it would ask the system: `pull` is its recv, `send` its send, with the
# same answers and the same errno. So consumers, marks and closing are the same with and without.
# Layers stack: each asks the one below it in the same words, and the lowest the system, if it does
# not end the wire itself, as a pair's does. What an upper one hands down is the lower one's `plain`.

from libc.errno cimport EINTR

from tether.stream.output cimport give_output, take_output
from tether.stream.system cimport SHUT_WR, recv, set_errno, shutdown


cdef class Layer:
    """Turns what is on the wire into plaintext, and plaintext into what goes on the wire."""

    cdef Py_ssize_t pull(self, int descriptor, char* where, Py_ssize_t room) except -2:
        # Plaintext, as `recv` gives it: 0 at the end, -1 with errno (EAGAIN: none now).
        return self.receive(descriptor, where, room)

    cdef Py_ssize_t send(self, int descriptor, Output plain) except -2:
        # One step with what waits: what the wire took of its bytes, or -1 with errno. None is an
        # empty `plain`.
        raise NotImplementedError

    cdef bint can_send(self, Output plain) noexcept:
        # Whether `send` has something that can go on the wire now.
        return self.can_hand_down() or plain is not None and plain.size > 0

    cdef Py_ssize_t waiting_bytes(self) noexcept:
        # What waits to be sent beside the stream's own output.
        cdef Py_ssize_t size = 0 if self.wire is None else self.wire.size
        return size if self.below is None else size + self.below.waiting_bytes()

    cdef bint finish(self) except -1:
        # All that was written is sent: whether there is a last word to send after it.
        return self.below is not None and self.below.finish()

    cdef int half_close(self, int descriptor) except -2:
        # The end of file, after the last word; -1 where the other side is gone.
        if self.below is not None:
            return self.below.half_close(descriptor)
        return shutdown(descriptor, SHUT_WR)

    cdef int closing(self) except -1:
        # The stream entered closing; what was written still goes out.
        return 0 if self.below is None else self.below.closing()

    cdef int drop(self) except -1:
        # What waits in this layer, and in it alone, never goes out. What it releases shall find the
        # layer without it.
        cdef Output wire = self.wire
        self.wire = None
        return 0

    cdef object ssl_object(self):
        # Python's, of the topmost TLS there is, once its handshake is over.
        return None if self.below is None else self.below.ssl_object()

    cdef int cut(self, bint resets) except -1:
        # The wire is gone: this side's end of it, with a reset or without.
        return 0 if self.below is None else self.below.cut(resets)

    # Below: what the kinds of layers use.

    cdef Py_ssize_t receive(self, int descriptor, char* where, Py_ssize_t room) except -2:
        # From below.
        if self.below is not None:
            return self.below.pull(descriptor, where, room)
        return recv(descriptor, where, room, 0)

    cdef Py_ssize_t hand_down(self, int descriptor) except -2:
        # What waits in this layer, or else in those below, takes a step.
        cdef Py_ssize_t taken
        cdef Output wire = self.wire  # held: what is released once it was sent may drop it
        if not self.can_hand_down():
            set_errno(EINTR)
            return -1
        if self.below is not None:
            taken = self.below.send(descriptor, wire)
        else:
            taken = wire.send(descriptor)
        if wire is not None and self.wire is wire and wire.size == 0:
            give_output(wire)
            self.wire = None
        return taken

    cdef Output to_wire(self):
        # Where this layer puts what it makes, at least one byte at a time.
        if self.wire is None:
            self.wire = take_output()
        return self.wire

    cdef bint can_hand_down(self) noexcept:
        if self.below is not None:
            return self.below.can_send(self.wire)
        return self.wire is not None
