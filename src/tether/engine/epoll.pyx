# Linux's epoll behind the poller interface. Knows descriptors only.

from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EBADF, EEXIST, EINTR, ENOENT, errno
from libc.stdint cimport uint32_t, uint64_t
from posix.unistd cimport close

from tether.engine.poller cimport (
    CLOSED_BY_PEER,
    EDGE,
    GONE,
    HANGUP,
    READ,
    WRITE,
    Event,
    Poller,
    milliseconds,
)

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maxevents, int timeout)
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL
        EPOLL_CTL_MOD
        EPOLLERR
        EPOLLET
        EPOLLHUP
        EPOLLIN
        EPOLLOUT
        EPOLLPRI
        EPOLLRDHUP

cdef enum:
    BATCH = 512


cdef class Epoll(Poller):
    """epoll: edge-triggered on request, and it tells early that a peer closed."""

    def __init__(self):
        self.name = "epoll"
        self.edge = True
        self.early_close = True
        self.descriptor = epoll_create1(EPOLL_CLOEXEC)
        if self.descriptor < 0:
            PyErr_SetFromErrno(OSError)

    def __cinit__(self):
        self.descriptor = -1

    def __dealloc__(self):
        if self.descriptor >= 0:
            close(self.descriptor)

    def fileno(self):
        """The epoll descriptor, -1 once shut."""
        return self.descriptor

    cdef int apply(self, int descriptor, uint32_t before, uint32_t after) except -1:
        cdef epoll_event event
        cdef int operation
        if self.is_inherited:
            return 0  # the interest list is shared with the parent, who goes on with it
        event.events = 0
        if after & READ:
            event.events |= EPOLLIN
        if after & WRITE:
            event.events |= EPOLLOUT
        if after & CLOSED_BY_PEER:
            event.events |= EPOLLRDHUP
        if after & EDGE:
            event.events |= EPOLLET
        # A new watch takes the next generation, one that is changed keeps its own.
        event.data.u64 = (
            <uint64_t>(self.slots[descriptor].generation if before else self.generation + 1) << 32
        ) | <uint32_t>descriptor
        operation = EPOLL_CTL_DEL if not after else EPOLL_CTL_MOD if before else EPOLL_CTL_ADD
        if epoll_ctl(self.descriptor, operation, descriptor, &event) == 0:
            return 0
        if operation == EPOLL_CTL_DEL:
            return 0  # its file was closed before: epoll forgot it by itself
        if operation == EPOLL_CTL_MOD and (errno == ENOENT or errno == EBADF):
            return GONE
        if operation == EPOLL_CTL_ADD and errno == EEXIST:
            operation = EPOLL_CTL_MOD
        else:
            PyErr_SetFromErrno(OSError)
        if epoll_ctl(self.descriptor, operation, descriptor, &event) != 0:
            PyErr_SetFromErrno(OSError)
        return 0

    cdef int poll(self, double timeout) except -1:
        cdef epoll_event found[BATCH]
        cdef int count, index, failure, limit = milliseconds(timeout)
        cdef uint32_t bits, what
        # Without the lock even when it does not sleep: a busy loop must not starve other threads.
        with nogil:
            count = epoll_wait(self.descriptor, found, BATCH, limit)
            failure = errno
        self.event_next = 0
        self.event_count = 0
        if count < 0:
            if failure != EINTR:
                raise OSError(failure, "epoll_wait failed")
            return 0
        for index in range(count):
            bits = found[index].events
            what = 0
            if bits & (EPOLLIN | EPOLLPRI):
                what |= READ
            if bits & EPOLLOUT:
                what |= WRITE
            if bits & EPOLLRDHUP:
                what |= CLOSED_BY_PEER
            if bits & (EPOLLHUP | EPOLLERR):
                what |= HANGUP
            self.events[index].descriptor = <int><uint32_t>found[index].data.u64
            self.events[index].generation = <uint32_t>(found[index].data.u64 >> 32)
            self.events[index].what = what
        self.event_count = count
        return 0

    cdef int shut(self) except -1:
        Poller.shut(self)
        if self.descriptor >= 0:
            close(self.descriptor)
            self.descriptor = -1
        return 0
