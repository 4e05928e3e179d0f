# What `read`, `readexactly` and `readuntil` return. Knows what a channel has received, no user.

from tether.engine.scope cimport OPEN
from tether.engine.waiter cimport Waiter

from tether.errors import ConnectionClosed, ProtocolError


cdef class Reading(Awaiting):
    # Up to `size` bytes; or exactly so many; or all up to a separator, at most so many.

    cdef bint ready(self) except -1:
        cdef Channel stream = self.stream
        cdef Py_ssize_t have = 0 if stream.inbox is None else len(stream.inbox)
        if self.separator is not None:
            if have and self.found(stream.inbox, have):
                return True
        elif have >= (self.size if self.exactly or self.size == 0 else 1):
            return True
        if stream.at_eof and stream.eof_error is not None and stream.state == OPEN:
            stream.start_abort(stream.eof_error)
        elif stream.at_eof and stream.eof_error is None:
            if self.exactly:
                cut = f" of {self.size} bytes"
                if self.separator is not None:
                    cut = f" bytes, before {self.separator!r}"
                raise ConnectionClosed(
                    f"end of file after {have}{cut}", phase="message", peer=stream.peer
                )
            return True
        if stream.state != OPEN:
            raise stream.ended_error(self.has_waited)
        return False

    cdef bint found(self, bytearray inbox, Py_ssize_t have) except -1:
        # What was searched before is not searched again.
        cdef Py_ssize_t length = len(self.separator)
        cdef Py_ssize_t place = inbox.find(self.separator, max(0, self.searched - length + 1))
        if place >= 0 and place + length <= self.size:
            self.length = place + length
            return True
        self.searched = have
        if place >= 0 or have >= self.size:
            raise ProtocolError(
                f"no {self.separator!r} within {self.size} bytes",
                phase="message",
                peer=self.stream.peer,
            )
        return False

    cdef object take(self):
        cdef Channel stream = self.stream
        cdef bytearray inbox = stream.inbox
        cdef Py_ssize_t size = self.size if self.separator is None else self.length
        stream.wanted = 0
        if not inbox:
            return b""
        if len(inbox) >= stream.read_high:
            stream.heard = stream.home.clock()  # until now nobody listened: that is no silence
        data = bytes(inbox[:size])
        del inbox[:size]
        stream.resume()
        return data

    cdef int wait(self, Waiter waiter) except -1:
        if self.stream.read_waiter is not None:
            raise RuntimeError("another task reads this stream already")
        self.stream.read_waiter = waiter
        if self.exactly:
            self.stream.wanted = self.size
        return self.stream.resume()

    cdef int forget(self, Waiter waiter) except -1:
        if self.stream.read_waiter is waiter:
            self.stream.read_waiter = None
            self.stream.wanted = 0
        return 0


cdef Reading start_reading(Channel stream, Py_ssize_t size, bint exactly, bytes separator):
    cdef Reading reading = Reading.__new__(Reading)
    if size < 0:
        raise ValueError(f"a number of bytes is 0 or more, got {size}")
    reading.loop = stream.home
    reading.stream = stream
    reading.size = size
    reading.exactly = exactly
    reading.separator = separator
    return reading
