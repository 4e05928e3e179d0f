# Listening: hands each connection on as a stream, which it owns. Knows no protocol.
#
# It accepts while it is open, not paused, below its limit, and the system has descriptors. Without
# those it rests for a moment, instead of spinning on an event that it cannot serve.

import asyncio
import logging
import os
import ssl as ssl_module

from libc.string cimport memcpy
from posix.unistd cimport close as close_descriptor

from tether.engine.scope cimport OPEN
from tether.engine.work cimport Work
from tether.stream.accepting cimport Accepting, open_door
from tether.stream.admission cimport BURST_OVER, HAS_ROOM, Admission, Tally
from tether.stream.limits cimport count, seconds
from tether.stream.stream cimport Stream
from tether.stream.system cimport SO_LINGER, SOL_SOCKET, linger, setsockopt
from tether.stream.tls_accepting cimport greet

from tether.engine.scope import DEFAULT_LINGER
from tether.errors import LocalError, NetworkError
from tether.stream.certificates import Certificates
from tether.stream.channel import READ_HIGH, WRITE_HIGH, WRITE_LOW

cdef enum:
    RESTED = 32
    STOP_DEADLINE = 33

cdef double REST_SECONDS = 0.1
cdef object log = logging.getLogger("tether")


cdef class Acceptor:
    # A protocol that takes new streams natively.
    cdef int accepted(self, Listener listener, Channel stream) except -1:
        return 0


cdef class Failure(Work):
    # A handshake failed: told from the top of the dispatch, since it fails in the midst of a close.
    cdef Listener listener
    cdef object error

    cdef int run(self) except -1:
        if self.listener.state == OPEN and self.listener.error_callback is not None:
            self.listener.invoke_or_spawn(self.listener.error_callback, (self.error,))
        return 0


cdef class Listener(Greeter):
    """Listening sockets: a scope that owns every stream it accepted.

    Made by `tether.listen`. Closing it closes its streams.
    """

    def __init__(
        self,
        sockets,
        on_stream=None,
        *,
        owner=None,
        name="listener",
        on_error=None,
        linger=DEFAULT_LINGER,
        write_high=WRITE_HIGH,
        write_low=WRITE_LOW,
        read_high=READ_HIGH,
        max_connections=None,
        max_per_address=None,
        ssl=None,
        handshake_timeout=10.0,
        shutdown_timeout=5.0,
    ):
        self.write_high = count(write_high, "write_high")
        self.write_low = count(write_low, "write_low")
        self.read_high = count(read_high, "read_high")
        if self.write_low > self.write_high:
            raise ValueError(f"write_low is no more than write_high, got {write_low}")
        if self.read_high == 0:
            raise ValueError("read_high is 1 or more, or None, got 0")
        self.handshake_time = (
            -1 if handshake_timeout is None else seconds(handshake_timeout, "handshake_timeout")
        )
        self.shutdown_time = seconds(shutdown_timeout, "shutdown_timeout")
        check_context(ssl)
        self.tls = ssl
        self.admission = Admission(self, max_connections, max_per_address)
        super().__init__(owner, name=name, linger=linger)
        self.home = <Engine?>self.engine
        self.stream_callback = on_stream
        self.error_callback = on_error
        self.doors = [open_door(self, self.home, bound) for bound in sockets]
        self.addresses = tuple([bound.address for bound in sockets])

    @property
    def address(self):
        """Where it listens; the first one, where there are several (`addresses` has them all)."""
        return self.addresses[0]

    @property
    def open_count(self):
        """Connections that are open: all that were accepted here, whoever owns them by now."""
        return self.admission.count

    @property
    def refused_count(self):
        """Connections that were reset because their address had `max_per_address` already."""
        return self.admission.refused

    @property
    def paused(self):
        """Whether `pause` was called last, and not `resume`."""
        return self.is_paused

    def start(self):
        """Begin to accept."""
        self.check()
        self.is_started = True
        self.admit()

    def pause(self):
        """Accept no more until `resume`; who comes waits in the backlog."""
        self.check()
        self.is_paused = True
        self.admit()

    def resume(self):
        """Go on accepting after `pause`."""
        self.check()
        self.is_paused = False
        self.admit()

    def fileno(self):
        """The (first) listening descriptor, -1 once it was released."""
        return (<Accepting>self.doors[0]).descriptor

    def describe(self):
        """What `tree` says beside the name."""
        words = [*self.addresses, f"open={self.admission.count}", f"accepted={self.accepted_count}"]
        if self.admission.refused:
            words.append(f"refused={self.admission.refused}")
        if self.failed_count:
            words.append(f"failed={self.failed_count}")
        if self.is_paused:
            words.append("paused")
        if self.admission.was_full:
            words.append("full")
        if self.is_resting:
            words.append("short of descriptors")
        return " ".join(words)

    cdef int admit(self) except -1:
        # The one place that says whether it accepts.
        cdef Accepting door
        cdef bint wanted = self.is_started and self.state == OPEN
        if wanted and self.admission.is_full() and not self.admission.was_full:
            self.admission.told_full()
        wanted = wanted and not (self.is_paused or self.is_resting or self.admission.was_full)
        for door in self.doors:
            door.watch_it(wanted)
        return 0

    cdef int arrived(self, Accepting door, int descriptor, unsigned char* address) except -1:
        cdef Channel stream
        cdef Tally tally = self.admission.enter(address)
        if tally is None:
            return refuse(descriptor)
        if self.admission.is_full():
            self.admit()
        if self.is_short:
            self.is_short = False
            log.info("%s accepts again", self.name)
        self.accepted_count += 1
        if self.acceptor is None:
            stream = Stream.__new__(Stream)
        else:
            stream = Channel.__new__(Channel)
        stream.is_tcp = door.is_tcp
        stream.write_high = self.write_high
        stream.write_low = self.write_low
        stream.read_high = self.read_high
        memcpy(stream.address, address, 28)
        stream.tally = tally
        try:
            stream.start(self.home, descriptor, self, False)
            if self.tls is None:
                self.start_stream(stream)
            else:
                context = self.tls.context if isinstance(self.tls, Certificates) else self.tls
                greet(self, stream, context, self.handshake_time, self.shutdown_time)
        except Exception as error:
            self.contain(error)
            if stream.engine is not None:
                stream.start_abort(error)
            else:
                stream.tally = None
                tally.left()
        return 0

    cdef int greeted(self, Channel stream) except -1:
        try:
            return self.start_stream(stream)
        except Exception as error:
            self.contain(error)
            return stream.start_abort(error)

    cdef int not_greeted(self, Channel stream, object cause) except -1:
        cdef Failure failure
        if self.state != OPEN or cause is None:
            return 0  # nothing failed: the listener closes
        self.failed_count += 1
        if self.error_callback is None:
            log.debug("%s: handshake with %s failed: %s", self.name, stream.peer, cause)
            return 0
        failure = Failure.__new__(Failure)
        failure.listener = self
        failure.error = cause.again() if isinstance(cause, NetworkError) else cause
        return self.home.ready.push(failure)

    cdef int start_stream(self, Channel stream) except -1:
        if self.acceptor is not None:
            return self.acceptor.accepted(self, stream)
        return self.run_callback(stream)

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

    cdef int is_short_of(self, Accepting door, int number) except -1:
        # The connection waits in the backlog; so does the listener, until descriptors are free.
        self.is_resting = True
        self.admit()
        self.set_alarm(REST_SECONDS, RESTED)
        if self.is_short:
            return 0  # told once, not at every try
        self.is_short = True
        return self.tell(cannot_accept(door, number), f"{self.name} cannot accept")

    cdef int broke_off(self, Accepting door, int number) except -1:
        # Without a socket to listen on it is none any more, and says why.
        error = cannot_accept(door, number)
        self.tell(error, f"{self.name} is shut down")
        return self.start_closing(error)

    cdef int tell(self, object error, str message) except -1:
        if self.error_callback is not None:
            return self.invoke_or_spawn(self.error_callback, (error,))
        self.report(message, error)
        return 0

    cdef int on_alarm(self, int kind) except -1:
        if kind == STOP_DEADLINE:
            return self.start_abort(self.cause)
        if kind == BURST_OVER:
            return self.admission.burst_over() if self.state == OPEN else 0
        if kind == RESTED:
            self.is_resting = False
        elif kind != HAS_ROOM:
            return Greeter.on_alarm(self, kind)
        return self.admit() if self.state == OPEN else 0

    cdef int on_closing(self) except -1:
        # Whoever comes from here on is refused at once; who is there gets his time, twice `linger`
        # (for a handler, and for what it left to flush), and not a slow reader's eternity.
        cdef Accepting door
        if self.linger_time >= 0:
            self.stop_alarm = self.set_alarm(2 * self.linger_time + 1, STOP_DEADLINE)
        for door in self.doors:
            door.shut()
        return self.admission.close()

    cdef int forsake(self) except -1:
        cdef Accepting door
        for door in self.doors:
            door.forsake()
        return 0

    cdef int on_closed(self) except -1:
        self.drop_alarm(self.stop_alarm)
        self.stop_alarm = None
        return 0


cdef int refuse(int descriptor) except -1:
    # With a reset: it costs neither side anything more.
    cdef linger now
    now.l_onoff = 1
    now.l_linger = 0
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof(now))
    close_descriptor(descriptor)
    return 0


cdef object cannot_accept(Accepting door, int number):
    return LocalError(
        os.strerror(number).lower(), phase="accept", errno=number, peer=door.bound.address
    )


cdef int check_context(object context) except -1:
    if context is None or isinstance(context, Certificates):
        return 0
    if not isinstance(context, ssl_module.SSLContext):
        raise TypeError(f"ssl is an ssl.SSLContext or tether.Certificates, got {context!r}")
    if context.protocol == ssl_module.PROTOCOL_TLS_CLIENT:
        raise ValueError("ssl is a client's context; a server's is PROTOCOL_TLS_SERVER")
    return 0
