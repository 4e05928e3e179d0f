# POSIX poll(2) behind the poller interface. Knows descriptors only.
#
# A change is O(1): the array is dense, and its last entry fills the gap of one that goes. Waiting is
# O(n), in the system as here; that is what poll is.

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.errno cimport EINTR, errno
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from tether.engine.level cimport LevelPoller
from tether.engine.poller cimport CLOSED_BY_PEER, HANGUP, READ, WRITE, milliseconds

cdef extern from *:
    """
    #include <poll.h>
    #ifndef POLLRDHUP  /* Linux has it */
    #define POLLRDHUP 0
    #endif
    """
    int poll(pollfd* descriptors, unsigned long count, int timeout) nogil
    enum:
        POLLERR
        POLLHUP
        POLLIN
        POLLNVAL
        POLLOUT
        POLLRDHUP


cdef class Poll(LevelPoller):
    """poll: wherever there is no epoll. On Linux it tells early that a peer closed."""

    def __init__(self):
        self.name = "poll"
        self.early_close = POLLRDHUP != 0

    def __dealloc__(self):
        PyMem_Free(self.asked)
        PyMem_Free(self.answered)
        PyMem_Free(self.places)

    cdef int ask(self, int descriptor, uint32_t what) except -1:
        cdef int place = self.places[descriptor] if descriptor < self.place_count else 0
        if not what:
            if place:
                self.count -= 1
                self.asked[place - 1] = self.asked[self.count]
                self.places[self.asked[place - 1].fd] = place
                self.places[descriptor] = 0
            return 0
        if not place:
            make_room(self, descriptor)
            self.asked[self.count].fd = descriptor
            self.count += 1
            place = self.places[descriptor] = <int>self.count
        self.asked[place - 1].events = (
            (POLLIN if what & READ else 0)
            | (POLLOUT if what & WRITE else 0)
            | (POLLRDHUP if what & CLOSED_BY_PEER else 0)
        )
        return 0

    cdef int poll(self, double timeout) except -1:
        cdef int found, failure, limit = milliseconds(timeout)
        cdef Py_ssize_t index = 0, count = self.count
        cdef short bits
        cdef uint32_t what
        cdef pollfd* answered
        if self.answered_capacity < self.capacity:
            self.answered = <pollfd*>resized(self.answered, self.capacity * sizeof(pollfd))
            self.answered_capacity = self.capacity
        answered = self.answered
        if count:
            memcpy(answered, self.asked, count * sizeof(pollfd))
        # Without the lock even when it does not sleep: a busy loop must not starve other threads.
        with nogil:
            found = poll(answered, count, limit)
            failure = errno
        self.event_next = 0
        self.event_count = 0
        if found < 0:
            if failure != EINTR:
                raise OSError(failure, "poll failed")
            return 0
        while found and index < count:
            bits = answered[index].revents
            if bits:
                found -= 1
                what = 0
                if bits & POLLIN:
                    what |= READ
                if bits & POLLOUT:
                    what |= WRITE
                if bits & POLLRDHUP:
                    what |= CLOSED_BY_PEER
                if bits & (POLLHUP | POLLERR):
                    what |= HANGUP
                if bits & POLLNVAL:
                    self.forget(answered[index].fd)
                else:
                    self.report(answered[index].fd, what)
            index += 1
        return 0


cdef int make_room(Poll poller, int descriptor) except -1:
    cdef Py_ssize_t capacity = poller.capacity, place_count = poller.slot_count
    if poller.count == capacity:
        capacity = max(64, 2 * capacity)
        poller.asked = <pollfd*>resized(poller.asked, capacity * sizeof(pollfd))
        poller.capacity = capacity
    if descriptor >= poller.place_count:
        poller.places = <int*>resized(poller.places, place_count * sizeof(int))
        memset(&poller.places[poller.place_count], 0, (place_count - poller.place_count) * sizeof(int))
        poller.place_count = place_count
    return 0


cdef void* resized(void* memory, size_t size) except NULL:
    cdef void* larger = PyMem_Realloc(memory, size)
    if larger == NULL:
        raise MemoryError
    return larger
