# A wire that is as bad as wires can be, for tests. Knows channels, no user and no protocol.
#
# Short reads and writes, EAGAIN in between, and errors at any byte happen on real sockets too rarely
# to be tested there. A function decides of each read and each write what becomes of it.

from libc.errno cimport EINTR

from tether.engine.work cimport Work
from tether.stream.output cimport Output
from tether.stream.system cimport set_errno


cdef class Later(Work):
    # What a poller would tell after EAGAIN.

    cdef int run(self) except -1:
        cdef Faults faults = self.faults
        cdef Channel stream = faults.stream
        if not stream.is_wired:
            return 0
        if self.is_reading:
            stream.readable = True
            return stream.resume()
        faults.is_held = False
        if not stream.in_flushes:
            stream.in_flushes = True
            stream.home.flushes.push(stream)
        return 0


cdef class Faults(Layer):
    """Lets through what `decide` says."""

    cdef Py_ssize_t pull(self, int descriptor, char* where, Py_ssize_t room) except -2:
        cdef Py_ssize_t most = self.decide("read", room)
        if most > 0:
            return self.receive(descriptor, where, min(most, room))
        if most == 0:
            self.stream.readable = False
            self.later(True)
        set_errno(EINTR if most == 0 else <int>-most)
        return -1

    cdef Py_ssize_t send(self, int descriptor, Output plain) except -2:
        cdef Py_ssize_t most
        if self.wire is None and plain is not None and plain.size:
            most = self.decide("write", plain.size)
            if most < 0:
                set_errno(<int>-most)
                return -1
            if most == 0:
                self.is_held = True
                self.later(False)
            else:
                self.to_wire().take(plain, min(most, plain.size))
        return self.hand_down(descriptor)

    cdef bint can_send(self, Output plain) noexcept:
        if self.can_hand_down():
            return True
        return self.wire is None and not self.is_held and plain is not None and plain.size > 0

    cdef int later(self, bint is_reading) except -1:
        cdef Later work = Later.__new__(Later)
        work.faults = self
        work.is_reading = is_reading
        return self.stream.home.ready.push(work)


def inject(Channel stream, decide):
    """Let `decide(what, size)` say what becomes of each read and each write of the wire.

    Args:
        decide: called with "read" or "write" and the most bytes it could be; returns how many it may
            be, 0 for EAGAIN, or the negative of the errno that it fails with.

    Raises:
        RuntimeError: the stream has layers already.
    """
    cdef Faults faults = Faults.__new__(Faults)
    stream.check()
    if stream.layer is not None and stream.layer.below is not None or stream.output is not None:
        raise RuntimeError("faults are injected before anything else")
    faults.stream = stream
    faults.decide = decide
    faults.below = stream.layer
    stream.layer = faults
