# What pollers share whose system reports levels only. Knows descriptors only.
#
# Sources that ask for EDGE are written once for all pollers, so their edges are made here: what was
# reported to such a source is not asked for again until it says, by `rearm`, that it met EAGAIN.
# So a stream that stopped reading, or has nothing to write, costs nothing.

from cpython.exc cimport PyErr_SetFromErrno
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memset
from posix.stat cimport fstat, struct_stat

from tether.engine.poller cimport EDGE, GONE, HANGUP, Poller


cdef class LevelPoller(Poller):
    """A poller whose system knows no edges."""

    def __dealloc__(self):
        PyMem_Free(self.levels)

    cdef int ask(self, int descriptor, uint32_t what) except -1:
        # Tells the system what to watch; 0 means nothing.
        raise NotImplementedError

    cdef int apply(self, int descriptor, uint32_t before, uint32_t after) except -1:
        cdef struct_stat file
        if descriptor >= self.level_count:
            grow(self)
        if before and after and means_another_file(self, descriptor):
            return GONE
        if after:
            # The system itself would say so late, and to nobody in particular.
            if fstat(descriptor, &file) < 0:
                PyErr_SetFromErrno(OSError)
            self.levels[descriptor].device = file.st_dev
            self.levels[descriptor].inode = file.st_ino
        return arm_exactly(self, descriptor, after)

    cdef int arm(self, int descriptor, uint32_t what) except -1:
        if not 0 <= descriptor < self.level_count:
            return 0  # it could not be watched
        what = self.levels[descriptor].armed | (self.slots[descriptor].interest & (what | EDGE))
        return arm_exactly(self, descriptor, what)

    cdef int report(self, int descriptor, uint32_t what) except -1:
        # An event; where it is an edge, it is not asked for any more.
        if self.slots[descriptor].interest & EDGE:
            self.add_event(descriptor, what)
            # A hang-up lasts for ever, and poll tells it even to those who ask for nothing.
            what = 0 if what & HANGUP else self.levels[descriptor].armed & ~what
            return arm_exactly(self, descriptor, what)
        if means_another_file(self, descriptor):
            return self.forget(descriptor)
        return self.add_event(descriptor, what)

    cdef int forget(self, int descriptor) except -1:
        # It was closed without a word: nobody is told, as with epoll, which forgets it by itself.
        return arm_exactly(self, descriptor, 0)


cdef inline int arm_exactly(LevelPoller poller, int descriptor, uint32_t what) except -1:
    if poller.levels[descriptor].armed != what:
        poller.ask(descriptor, what)
        poller.levels[descriptor].armed = what
    return 0


cdef bint means_another_file(LevelPoller poller, int descriptor) noexcept:
    # The number was closed without a word, and handed out again. Who asks for edges owns his
    # descriptor, so nobody asks this for streams.
    cdef struct_stat file
    return (
        fstat(descriptor, &file) < 0
        or poller.levels[descriptor].device != <unsigned long long>file.st_dev
        or poller.levels[descriptor].inode != <unsigned long long>file.st_ino
    )


cdef int grow(LevelPoller poller) except -1:
    cdef Py_ssize_t count = poller.slot_count
    cdef Level* levels = <Level*>PyMem_Realloc(poller.levels, count * sizeof(Level))
    if levels == NULL:
        raise MemoryError
    memset(&levels[poller.level_count], 0, (count - poller.level_count) * sizeof(Level))
    poller.levels = levels
    poller.level_count = count
    return 0
