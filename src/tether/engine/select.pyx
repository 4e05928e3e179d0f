# POSIX select(2) behind the poller interface: the floor that every system has. Knows descriptors
# only.
#
# It cannot say that a peer closed or hung up: who reads finds the end of file, who writes the error.

from libc.errno cimport EBADF, EINTR, errno
from libc.math cimport ceil
from libc.stdint cimport uint32_t
from posix.fcntl cimport F_GETFD, fcntl
from posix.time cimport timeval

from tether.engine.level cimport LevelPoller
from tether.engine.poller cimport READ, WRITE

cdef extern from "<sys/select.h>" nogil:
    int select(int count, fd_set* readers, fd_set* writers, fd_set* others, timeval* timeout)
    void FD_ZERO(fd_set* those)
    void FD_SET(int descriptor, fd_set* those)
    void FD_CLR(int descriptor, fd_set* those)
    bint FD_ISSET(int descriptor, fd_set* those)
    enum:
        FD_SETSIZE


cdef class Select(LevelPoller):
    """select: the portability floor. It watches descriptors up to 1023 on most systems."""

    def __cinit__(self):
        self.highest = -1
        FD_ZERO(&self.readers)
        FD_ZERO(&self.writers)

    def __init__(self):
        self.name = "select"
        self.max_fd = FD_SETSIZE - 1

    cdef int ask(self, int descriptor, uint32_t what) except -1:
        if what & READ:
            FD_SET(descriptor, &self.readers)
        else:
            FD_CLR(descriptor, &self.readers)
        if what & WRITE:
            FD_SET(descriptor, &self.writers)
        else:
            FD_CLR(descriptor, &self.writers)
        if what & (READ | WRITE):
            self.highest = max(self.highest, descriptor)
        while self.highest >= 0 and not is_asked(self, self.highest):
            self.highest -= 1
        return 0

    cdef int poll(self, double timeout) except -1:
        cdef fd_set readers = self.readers, writers = self.writers
        cdef int found, failure, descriptor = 0, count = self.highest + 1
        cdef uint32_t what
        cdef timeval time
        cdef timeval* limit = NULL
        # Rounded up: a timer fires late, never early.
        if timeout >= 0:
            timeout = ceil(min(timeout, 86400.0) * 1e6)
            time.tv_sec = <long>(timeout / 1e6)
            time.tv_usec = <long>(timeout - time.tv_sec * 1e6)
            limit = &time
        # Without the lock even when it does not sleep: a busy loop must not starve other threads.
        with nogil:
            found = select(count, &readers, &writers, NULL, limit)
            failure = errno
        self.event_next = 0
        self.event_count = 0
        if found < 0:
            if failure == EBADF:
                return forget_closed(self)
            if failure != EINTR:
                raise OSError(failure, "select failed")
            return 0
        while found > 0 and descriptor < count:
            what = 0
            if FD_ISSET(descriptor, &readers):
                what |= READ
                found -= 1
            if FD_ISSET(descriptor, &writers):
                what |= WRITE
                found -= 1
            if what:
                self.report(descriptor, what)
            descriptor += 1
        return 0


cdef bint is_asked(Select poller, int descriptor) noexcept:
    return FD_ISSET(descriptor, &poller.readers) or FD_ISSET(descriptor, &poller.writers)


cdef int forget_closed(Select poller) except -1:
    # One that was closed without a word fails the whole call; it is to harm nobody else.
    cdef int descriptor
    for descriptor in range(poller.highest + 1):
        if is_asked(poller, descriptor) and fcntl(descriptor, F_GETFD) < 0:
            poller.forget(descriptor)
    return 0
