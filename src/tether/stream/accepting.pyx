# One listening socket: takes connections out of its backlog. Knows descriptors, no stream.
#
# Level-triggered, because what is not accepted in one turn must be reported again.

from libc.errno cimport (
    EAGAIN,
    EBADF,
    EINVAL,
    EMFILE,
    ENFILE,
    ENOBUFS,
    ENOMEM,
    ENOTSOCK,
    EOPNOTSUPP,
    errno,
)
from libc.string cimport memset

from tether.engine.poller cimport READ

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/socket.h>
    """
    struct sockaddr:
        pass
    int accept4(int fd, sockaddr* address, unsigned int* size, int flags) nogil
    enum:
        SOCK_NONBLOCK
        SOCK_CLOEXEC

cdef enum:
    ACCEPTS_PER_TURN = 64


cdef class Reception(Source):
    # Who gets what was accepted.

    cdef int arrived(self, Accepting door, int descriptor, unsigned char* address) except -1:
        # From here the descriptor is its own.
        return 0

    cdef int is_short_of(self, Accepting door, int number) except -1:
        # The system has no descriptor or no memory for it: it waits in the backlog.
        return 0

    cdef int broke_off(self, Accepting door, int number) except -1:
        # The socket does not listen any more.
        return 0


cdef class Accepting(Source):
    """A listening socket that the poller watches."""

    cdef object described(self):
        return self.reception

    cdef int watch_it(self, bint wanted) except -1:
        wanted = wanted and self.descriptor >= 0
        if wanted == self.is_watched:
            return 0
        if wanted:
            self.home.poller_.watch(self.descriptor, self, READ)
        self.is_watched = wanted
        return 0 if wanted else self.home.poller_.unwatch(self.descriptor)

    cdef int on_event(self, uint32_t what) except -1:
        return self.accept_some()

    cdef int accept_some(self) except -1:
        cdef unsigned char address[128]
        cdef unsigned int size
        cdef int descriptor, number, turns = ACCEPTS_PER_TURN
        while turns and self.is_watched:
            turns -= 1
            size = sizeof(address)
            memset(address, 0, 28)
            descriptor = accept4(
                self.descriptor, <sockaddr*>address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC
            )
            if descriptor >= 0:
                self.reception.arrived(self, descriptor, address)
                continue
            number = errno
            if number == EAGAIN:
                return 0
            if number in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                return self.reception.is_short_of(self, number)
            if number in (EINVAL, EBADF, ENOTSOCK, EOPNOTSUPP):
                # Somebody else who has it shut it down: it would be reported for ever.
                return self.reception.broke_off(self, number)
            # It left before it was accepted (ECONNABORTED), or a signal came.
        return 0

    cdef int shut(self) except -1:
        # Whoever comes from here on is refused at once.
        if self.descriptor >= 0:
            self.watch_it(False)
            self.descriptor = -1
            self.bound.close()
        return 0

    cdef int forsake(self) except -1:
        if self.descriptor >= 0:
            self.descriptor = -1
            self.is_watched = False
            self.bound.socket.close()
        return 0


cdef Accepting open_door(Reception reception, Engine home, object bound):
    cdef Accepting door = Accepting.__new__(Accepting)
    door.reception = reception
    door.engine = home
    door.home = home
    door.label = reception.name
    door.bound = bound
    door.descriptor = bound.socket.fileno()
    door.is_tcp = bound.is_tcp
    return door
