# The layer that holds a stream to its rates. Knows channels and limits, no clock.
#
# It is the lowest one, so what counts is what is on the wire. Out of tokens it reads as if nothing
# were there, without asking the poller, and sends nothing; the limit says when to go on.

from libc.errno cimport EINTR, errno

from tether.engine.work cimport Work
from tether.stream.output cimport Output
from tether.stream.pair cimport PairEnd
from tether.stream.rate_limit cimport RateLimit
from tether.stream.system cimport set_errno


cdef class GoOn(Work):
    # There are tokens again: the stream goes on from the loop's own lists.

    cdef int run(self) except -1:
        cdef Channel stream = self.throttle.stream
        if not stream.is_wired:
            return 0
        if self.is_reading:
            stream.readable = True
            stream.resume()
        elif not stream.in_flushes:
            stream.in_flushes = True
            stream.home.flushes.push(stream)
        return 0


cdef class Throttle(Layer):
    """What a stream may read and write now, and no more."""

    cdef Py_ssize_t pull(self, int descriptor, char* where, Py_ssize_t room) except -2:
        cdef RateLimit limit = self.reading
        cdef Py_ssize_t most, size
        cdef int number
        if limit is None:
            return self.receive(descriptor, where, room)
        most = limit.allowance(room)
        if most == 0:
            self.stream.readable = False
            set_errno(EINTR)
            return -1
        size = self.receive(descriptor, where, most)
        number = errno
        limit.spend(max(size, 0))
        set_errno(number)
        return size

    cdef Py_ssize_t send(self, int descriptor, Output plain) except -2:
        cdef RateLimit limit = self.writing
        cdef Py_ssize_t size
        if self.wire is None and plain is not None and plain.size:
            size = plain.size
            if limit is not None:
                size = limit.allowance(size)
                limit.spend(size)
            if size:
                self.to_wire().take(plain, size)
        return self.hand_down(descriptor)

    cdef bint can_send(self, Output plain) noexcept:
        if self.can_hand_down():
            return True
        if self.wire is not None or plain is None or plain.size == 0:
            return False
        return self.writing is None or not self.writing.is_held()

    cdef int drop(self) except -1:
        if self.writing is not None:
            self.writing.give_up()
        return Layer.drop(self)

    cdef int cut(self, bint resets) except -1:
        if self.reading is not None:
            self.reading.end()
        if self.writing is not None:
            self.writing.end()
        return Layer.cut(self, resets)

    cdef int set_limit(self, RateLimit limit, bint is_reading) except -1:
        cdef RateLimit former = self.reading if is_reading else self.writing
        cdef GoOn go_on = GoOn.__new__(GoOn)
        if limit is former:
            return 0
        go_on.throttle = self
        go_on.is_reading = is_reading
        if limit is not None:
            limit.begin(self.stream.engine, go_on)
        if is_reading:
            self.reading = limit
        else:
            self.writing = limit
        if former is not None:
            former.end()
        return go_on.run()


def limit_rate(Channel stream, RateLimit limit, bint is_reading):
    """`Stream.limit_reading` and `Stream.limit_writing`, which say what they do."""
    cdef Layer lowest = None, layer = stream.layer
    cdef Throttle throttle
    while layer is not None and not isinstance(layer, (PairEnd, Throttle)):
        lowest, layer = layer, layer.below
    if isinstance(layer, Throttle):
        throttle = layer
    else:
        throttle = Throttle.__new__(Throttle)
        throttle.stream = stream
        throttle.below = layer
    throttle.set_limit(limit, is_reading)
    if throttle is not layer:
        # Under all that is there already, and over a pair's end.
        if lowest is None:
            stream.layer = throttle
        else:
            lowest.below = throttle
    return limit
