# Listening: accepts connections and hands each on as a stream. Knows no protocol.
#
# Level-triggered, because what is not accepted in one turn must be reported again. Without free
# descriptors it rests for a moment instead of spinning on an event it cannot serve.

import asyncio
import contextlib
import logging
import os
import socket
import stat

from libc.errno cimport EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.string cimport memcpy, memset

from tether.engine.poller cimport READ
from tether.engine.scope cimport OPEN, Scope
from tether.stream.stream cimport Stream

from tether.errors import LocalError
from tether.stream.address import format_address, parse_address

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
    RESTED = 32
    STOP_DEADLINE = 33

cdef double REST_SECONDS = 0.1
cdef object log = logging.getLogger("tether")


cdef class Acceptor:
    # A protocol that takes new streams natively.
    cdef int accepted(self, Listener listener, Channel stream) except -1:
        return 0


cdef class Listener(Source):
    """A listening socket: a scope that owns every stream it accepted.

    Made by `tether.listen`. Closing it closes its streams.
    """

    def __cinit__(self, *args, **kwargs):
        self.descriptor = -1

    def __init__(self, listening, on_stream=None, *, owner=None, name="listener", on_error=None):
        super().__init__(owner, name=name)
        self.home = <Engine?>self.engine
        self.socket = listening
        self.descriptor = listening.fileno()
        self.stream_callback = on_stream
        self.error_callback = on_error
        self.is_tcp = listening.family != socket.AF_UNIX
        self.address = format_address(listening.family, listening.getsockname())

    def start(self):
        """Begin to accept."""
        self.check()
        self.home.poller_.watch(self.descriptor, self, READ)

    def fileno(self):
        """The listening descriptor, -1 once it was released."""
        return self.descriptor

    def describe(self):
        """What `tree` says beside the name."""
        return f"{self.address} accepted={self.accepted_count}"

    cdef int on_event(self, uint32_t what) except -1:
        return self.accept_some()

    cdef int accept_some(self) except -1:
        cdef unsigned char address[128]
        cdef unsigned int size
        cdef int descriptor, turns = ACCEPTS_PER_TURN
        cdef Channel stream
        while turns and self.state == OPEN:
            turns -= 1
            size = sizeof(address)
            memset(address, 0, 28)
            descriptor = accept4(
                self.descriptor, <sockaddr*>address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC
            )
            if descriptor < 0:
                if errno == EAGAIN:
                    return 0
                if errno in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                    return self.rest(errno)
                continue  # it left before it was accepted (ECONNABORTED), or a signal came
            if self.is_short:
                self.is_short = False
                log.info("%s accepts again", self.name)
            if self.acceptor is None:
                stream = Stream.__new__(Stream)
            else:
                stream = Channel.__new__(Channel)
            stream.is_tcp = self.is_tcp
            memcpy(stream.address, address, 28)
            self.accepted_count += 1
            try:
                stream.start(self.home, descriptor, self, False)
                if self.acceptor is not None:
                    self.acceptor.accepted(self, stream)
                else:
                    self.run_callback(stream)
            except Exception as error:
                self.contain(error)
                if stream.engine is not None:
                    stream.start_abort(error)
        return 0

    cdef int run_callback(self, Channel stream) except -1:
        # The user's function; an async one becomes the stream's driver.
        stream.is_session = True
        result = stream.invoke_one(self.stream_callback, stream)
        if asyncio.iscoroutine(result):
            if self.state == OPEN and stream.state == OPEN:
                self.start_driver(result, stream)
            else:
                result.close()  # there is no session any more that it could drive
        return 0

    cdef int rest(self, int number) except -1:
        # The connection waits in the backlog; so does the listener, until descriptors are free.
        error = LocalError(
            f"cannot accept: {os.strerror(number).lower()}",
            phase="accept",
            errno=number,
            peer=self.address,
        )
        self.home.poller_.unwatch(self.descriptor)
        self.is_resting = True
        self.set_alarm(REST_SECONDS, RESTED)
        if not self.is_short:
            # Told once, not at every try.
            self.is_short = True
            if self.error_callback is not None:
                self.invoke_one(self.error_callback, error)
            else:
                self.report(f"{self.name} cannot accept", error)
        return 0

    cdef int on_alarm(self, int kind) except -1:
        if kind == STOP_DEADLINE:
            return self.start_abort(self.cause)
        if kind != RESTED:
            return Source.on_alarm(self, kind)
        if self.state == OPEN and self.is_resting:
            self.is_resting = False
            self.home.poller_.watch(self.descriptor, self, READ)
        return 0

    cdef int on_closing(self) except -1:
        # Whoever comes from here on is refused at once; who is there gets his time, twice `linger`
        # (for a handler, and for what it left to flush), and not a slow reader's eternity.
        if self.linger_time >= 0:
            self.stop_alarm = self.set_alarm(2 * self.linger_time + 1, STOP_DEADLINE)
        if self.descriptor >= 0:
            self.home.poller_.unwatch(self.descriptor)
            self.descriptor = -1
            path = None if self.is_tcp or self.keeps_path else self.socket.getsockname()
            self.socket.close()
            if path:
                with contextlib.suppress(OSError):
                    os.unlink(path)
        return 0

    cdef int forsake(self) except -1:
        if self.descriptor >= 0:
            self.descriptor = -1
            self.socket.close()
        return 0

    cdef int on_closed(self) except -1:
        self.drop_alarm(self.stop_alarm)
        self.stop_alarm = None
        return 0


def bind(address, *, backlog=1024, reuse_port=False):
    """A bound, listening, non-blocking socket for an address as `parse_address` reads it.

    Raises:
        LocalError: the address is taken, not ours, or not permitted; with the errno.
        ValueError: the address cannot be read.
    """
    kind, where = parse_address(address)
    family = kind
    if kind != socket.AF_UNIX:
        try:
            family, _, _, _, where = socket.getaddrinfo(
                *where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except socket.gaierror as error:
            raise LocalError(
                f"cannot listen: {error.strerror.lower()}", phase="connect", peer=address
            ) from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        if family == socket.AF_UNIX:
            remove_stale(where)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Accepted sockets inherit it: what is flushed at once shall leave at once.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if reuse_port:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(where)
        listening.listen(backlog)
    except OSError as error:
        listening.close()
        raise LocalError(
            f"cannot listen: {(error.strerror or str(error)).lower()}",
            phase="connect",
            errno=error.errno,
            peer=address,
        ) from error
    return listening


def remove_stale(path):
    """Remove a Unix socket's file that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def listen(address, on_stream, *, owner=None, backlog=1024, reuse_port=False, on_error=None):
    """Listen on `address` and call `on_stream(stream)` for every connection.

    Args:
        address: "host:port" (port 0 picks one), "[v6]:port" or "unix:path".
        on_stream: plain or async; an async one is the stream's driver, and its end closes it.
        owner: the scope that owns the listener; the default is that of the running handler,
            else the root.
        backlog: how many connections may wait to be accepted.
        reuse_port: share the port with other processes (SO_REUSEPORT).
        on_error: called with a `LocalError` when accepting fails for want of descriptors.

    Raises:
        LocalError: the address is taken or not permitted.

    >>> import tether
    >>> async def main():
    ...     async def echo(stream):
    ...         while data := await stream.read():
    ...             await stream.send(data)
    ...     async with tether.listen("127.0.0.1:0", echo) as listener:
    ...         stream = await tether.connect(listener.address)
    ...         stream.send(b"hello")
    ...         return await stream.readexactly(5)
    >>> tether.run(main())
    b'hello'
    """
    from tether.engine.scope import current_scope

    listening = bind(address, backlog=backlog, reuse_port=reuse_port)
    try:
        listener = Listener(
            listening,
            on_stream,
            owner=owner or current_scope.get(None),
            name=f"listener {address}",
            on_error=on_error,
        )
        listener.start()
    except BaseException:
        listening.close()
        raise
    return listener
