# One attempt to connect one socket to one address. Knows no names, no deadlines, no retries.
#
# The only place that reads a socket's pending error: reading it clears it, so what was read is kept
# here and travels on inside the exception.

import errno as numbers
import socket

from tether.engine.poller cimport WRITE
from tether.engine.scope cimport OPEN
from tether.engine.waiter cimport Awaiting
from tether.stream.stream cimport Stream


cdef class Connecting(Source):
    """A socket on its way to be connected. `await attempt.done()` gives the errno, 0 for success.

    Args:
        family, where: as `socket.connect` takes them.
        owner: the scope that the attempt ends with.
    """

    def __cinit__(self, *args, **kwargs):
        self.descriptor = -1

    def __init__(self, int family, where, *, owner=None):
        super().__init__(owner, name=f"connecting {where}")
        self.home = <Engine?>self.engine
        try:
            self.socket = socket.socket(family, socket.SOCK_STREAM)
            self.socket.setblocking(False)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.descriptor = self.socket.fileno()
            result = self.socket.connect_ex(where)
            if result == numbers.EINPROGRESS:
                self.home.poller_.watch(self.descriptor, self, WRITE)
                return
        except OSError as error:
            result = error.errno or numbers.EINVAL
        self.finish(result)

    def done(self):
        """Awaitable: the errno of the attempt, 0 when it is connected."""
        cdef Ending ending = Ending.__new__(Ending)
        ending.loop = self.engine
        ending.attempt = self
        return ending

    def hand_on(self, owner, peer, attempts=()):
        """The connected socket as a stream that `owner` owns; the attempt is over."""
        cdef Stream stream = Stream.__new__(Stream)
        if not self.is_over or self.result != 0 or self.descriptor < 0:
            raise RuntimeError("only a connected socket can be handed on")
        stream.is_tcp = self.socket.family != socket.AF_UNIX
        stream.peer_name = peer
        stream.failed_attempts = attempts
        stream.is_session = True
        self.was_handed_on = True
        self.descriptor = -1
        descriptor = self.socket.detach()
        stream.start(self.home, descriptor, owner, False)
        stream.own_context()
        self.start_closing(None)
        return stream

    cdef int on_event(self, uint32_t what) except -1:
        return self.finish(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    cdef int finish(self, int result) except -1:
        cdef Waiter waiter = self.waiter
        if self.is_over:
            return 0
        self.is_over = True
        self.result = result
        if self.descriptor >= 0:
            self.home.poller_.unwatch(self.descriptor)
        self.waiter = None
        if waiter is not None:
            waiter.wake()
        return 0

    cdef int forsake(self) except -1:
        if self.socket is not None and self.descriptor >= 0:
            self.descriptor = -1
            self.socket.close()
        return 0

    cdef int on_closing(self) except -1:
        self.finish(numbers.ECANCELED)
        if self.socket is not None and not self.was_handed_on:
            self.descriptor = -1
            self.socket.close()
        return 0


cdef class Ending(Awaiting):
    # What `done` returns.
    cdef Connecting attempt

    cdef bint ready(self) except -1:
        return self.attempt.is_over

    cdef object take(self):
        return self.attempt.result

    cdef int wait(self, Waiter waiter) except -1:
        if self.attempt.waiter is not None:
            raise RuntimeError("somebody waits for this attempt already")
        self.attempt.waiter = waiter
        return 0

    cdef int forget(self, Waiter waiter) except -1:
        if self.attempt.waiter is waiter:
            self.attempt.waiter = None
        return 0
