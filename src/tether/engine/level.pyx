# What pollers share whose system reports levels only. Knows descriptors only.
#
# Sources that ask for EDGE are written once for all pollers, so their edges are made here: what was
# reported to such a source is not asked for again until it says, by `rearm`, that it met EAGAIN.
# So a stream that stopped reading, or has nothing to write, costs nothing.

from cpython.exc cimport PyErr_SetFromErrno
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memset
from posix.fcntl cimport F_GETFD, fcntl

from tether.engine.poller cimport EDGE, HANGUP, Poller


cdef class LevelPoller(Poller):
    """A poller whose system knows no edges."""

    def __dealloc__(self):
        PyMem_Free(self.armed)

    cdef int ask(self, int descriptor, uint32_t what) except -1:
        # Tells the system what to watch; 0 means nothing.
        raise NotImplementedError

    cdef int apply(self, int descriptor, uint32_t before, uint32_t after) except -1:
        if descriptor >= self.armed_count:
            grow(self)
        # The system itself would say so late, and to nobody in particular.
        if not before and after and fcntl(descriptor, F_GETFD) < 0:
            PyErr_SetFromErrno(OSError)
        self.ask(descriptor, after)
        self.armed[descriptor] = after
        return 0

    cdef int arm(self, int descriptor, uint32_t what) except -1:
        cdef uint32_t now, then
        if not 0 <= descriptor < self.armed_count:
            return 0  # it could not be watched
        now = self.armed[descriptor]
        then = now | (self.slots[descriptor].interest & (what | EDGE))
        if then != now:
            self.ask(descriptor, then)
            self.armed[descriptor] = then
        return 0

    cdef int report(self, int descriptor, uint32_t what) except -1:
        # An event; where it is an edge, it is not asked for any more.
        cdef uint32_t now, then
        self.add_event(descriptor, what)
        if self.slots[descriptor].interest & EDGE:
            # A hang-up lasts for ever, and poll tells it even to those who ask for nothing.
            now = self.armed[descriptor]
            then = 0 if what & HANGUP else now & ~what
            if then != now:
                self.ask(descriptor, then)
                self.armed[descriptor] = then
        return 0

    cdef int forget(self, int descriptor) except -1:
        # It was closed without a word: nobody is told, as with epoll, which forgets it by itself.
        self.ask(descriptor, 0)
        self.armed[descriptor] = 0
        return 0


cdef int grow(LevelPoller poller) except -1:
    cdef Py_ssize_t count = poller.slot_count
    cdef uint32_t* armed = <uint32_t*>PyMem_Realloc(poller.armed, count * sizeof(uint32_t))
    if armed == NULL:
        raise MemoryError
    memset(&armed[poller.armed_count], 0, (count - poller.armed_count) * sizeof(uint32_t))
    poller.armed = armed
    poller.armed_count = count
    return 0
