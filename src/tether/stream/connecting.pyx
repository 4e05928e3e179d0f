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

cdef enum:
    IP_BIND_ADDRESS_NO_PORT = 24  # Linux's; Python has a name for it from 3.12 on


cdef class Connecting(Source):
    """A socket on its way to be connected. `await attempt.done()` gives the errno, 0 for success.

    Args:
        family, where: as `socket.connect` takes them.
        owner: the scope that the attempt ends with.
        local: the address to connect from, as `socket.bind` takes it.
    """

    def __cinit__(self, *args, **kwargs):
        self.descriptor = -1

    def __init__(self, int family, where, *, owner=None, local=None):
        super().__init__(owner, name=f"connecting {where}")
        self.home = <Engine?>self.engine
        try:
            self.socket = socket.socket(family, socket.SOCK_STREAM)
            self.socket.setblocking(False)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.descriptor = self.socket.fileno()
            if local is not None:
                self.bind(local)
            result = self.socket.connect_ex(where)
            if result == numbers.EINPROGRESS:
                self.home.poller_.watch(self.descriptor, self, WRITE)
                return
        except OSError as error:
            result = error.errno or numbers.EINVAL
        self.finish(result)

    cdef int bind(self, object local) except -1:
        self.is_local_failure = True
        if local[1] == 0:
            # The port is chosen when it is known who is at the other end: so ports are shared.
            self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        else:
            # One that was used a moment ago may be used again, for another connection.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(local)
        self.is_local_failure = False
        return 0

    @property
    def failed_locally(self):
        """Whether it was the local address that could not be had."""
        return bool(self.is_local_failure)

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
        cdef int result = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result == 0 and self.is_connected_to_itself():
            result = numbers.ECONNREFUSED
        return self.finish(result)

    cdef bint is_connected_to_itself(self) except -1:
        # TCP lets a socket meet itself where the system chose, as its own, the very port that it
        # connects to. Nobody listens there.
        if self.socket.family == socket.AF_UNIX:
            return False
        try:
            return self.socket.getsockname() == self.socket.getpeername()
        except OSError:
            return False  # it was reset meanwhile: who reads it is told

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
