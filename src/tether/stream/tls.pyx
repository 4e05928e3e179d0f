# TLS as a layer of a stream. Knows streams and sessions; what encrypts is the session's business.
#
# Reading: one recv of many records into memory that all layers share, decrypted into the loop's
# receive buffer; what there was no room for stays with the session. Writing: what the stream has
# gathered is sealed, 128 KiB at a time, and leaves in one system call; only what the system did not
# take is copied. So an idle session holds no memory beyond OpenSSL's own.

import os
import ssl

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdlib cimport free, malloc

from tether.engine.poller cimport READ, rearm
from tether.engine.scope cimport CLOSED, OPEN
from tether.engine.waiter cimport Awaiting, Waiter, wake_all
from tether.stream.channel cimport put_on
from tether.stream.direct cimport open_direct
from tether.stream.session cimport BROKEN, DRY, ENDED, MORE, ObjectSession
from tether.stream.system cimport MSG_NOSIGNAL, c_send, set_errno

from tether.errors import ConnectTimeout, TLSError, TLSTruncated, from_ssl_error
from tether.stream.direct import unavailable

cdef enum:
    SEALED_AT_ONCE = 128 * 1024
    STAGE = 256 * 1024
    LARGEST_RECORD = 17 * 1024

cdef double FAREWELL = 2.0  # seconds that a peer gets to read the alert

#: What encrypts: OpenSSL called directly, or through Python's `ssl` alone.
WAYS = ("openssl", "ssl")
cdef object way = "ssl" if unavailable else "openssl"

# What was received lies here until it is decrypted; nobody's Python code runs in between.
# Handshakes, in which it does, work on copies.
cdef char* stage = <char*>malloc(STAGE)
if stage == NULL:
    raise MemoryError


cdef class Deadline(Work):
    # Of a handshake.

    cdef int run(self) except -1:
        cdef Tls layer = self.layer
        self.layer = None
        if layer is not None and layer.stream.state != CLOSED:
            layer.deadline = None
            layer.late()
        return 0


cdef class Tls(Layer):
    """TLS between the wire and a stream's plaintext."""

    def __dealloc__(self):
        free(self.own_stage)

    cdef int begin(self, Channel stream, object context, bint server_side, object hostname,
                   double handshake_time, double shutdown_time, object resumed=None) except -1:
        # The handshake begins. What the stream has not sent yet goes out before it, as it is; what
        # it received and nobody took is the peer's part of the handshake.
        cdef bytearray early = stream.inbox
        cdef Session session = open_session(context, server_side, hostname)
        if resumed is not None:
            session.ssl_object.session = resumed
        if isinstance(stream.layer, Tls):
            self.own_stage = <char*>malloc(STAGE)
            if self.own_stage == NULL:
                raise MemoryError
        self.is_tcp = stream.is_tcp
        self.session = session
        self.stream = stream
        self.began = stream.engine.clock()
        put_on(stream, self)
        stream.must_read = True
        self.shutdown_time = shutdown_time
        if handshake_time >= 0:
            self.handshake_time = handshake_time
            self.deadline = Deadline.__new__(Deadline)
            self.deadline.layer = self
            stream.engine.timers.push(self.began + handshake_time, self.deadline)
        if early:
            stream.inbox = None
            stream.readable = True
            session.feed(early, len(early))
            session.settle()
            session.status = MORE
        self.shake()
        return stream.resume()

    cdef int shake(self) except -1:
        # One step of the handshake. Python code may run in it, and may end the stream.
        cdef Channel stream = self.stream
        cdef bint is_over = False
        cdef object failure = None
        try:
            is_over = self.session.handshake()
        except Exception as error:
            failure = error
        if self.phase != SHAKING:
            return 0
        if failure is not None:
            return self.broken(failure, "tls")
        if is_over:
            self.phase = READY
            self.waits = True  # what was written meanwhile
            self.drop_deadline()
            stream.must_read = False
            stream.drain_time = self.shutdown_time
            stream.lingers = True  # until the peer said goodbye too
        self.collect()
        return self.established() if is_over else 0

    cdef Py_ssize_t pull_handshake(self, int descriptor, char* where, Py_ssize_t room) except -2:
        cdef Py_ssize_t size = self.receive(descriptor, where, room)
        cdef int number = errno
        if self.phase == BROKEN_OFF:
            set_errno(number)
            return size  # what is read then is only read to be dropped
        if size > 0:
            self.session.feed(where, size)
            self.session.settle()
            self.session.status = MORE
            self.shake()
        elif size == 0:
            self.broken(TLSError("closed by the peer in the handshake", phase="tls"), "tls")
        elif number == EAGAIN:
            set_errno(number)
            return -1
        elif number != EINTR:
            self.broken(TLSError(os.strerror(number).lower(), phase="tls", errno=number), "tls")
        set_errno(EINTR)  # to be asked again, where there is still something to ask for
        return -1

    cdef Py_ssize_t pull(self, int descriptor, char* where, Py_ssize_t room) except -2:
        cdef Session session = self.session
        cdef char* received = stage if self.own_stage == NULL else self.own_stage
        cdef Py_ssize_t size, asked, total = 0
        cdef bint is_emptied = False
        if self.phase != READY:
            return self.pull_handshake(descriptor, where, room)
        while True:
            if session.status != DRY:
                total = session.read(where, room)
                if total or session.status != DRY:
                    break
            if is_emptied:
                break
            # As much as there is room for once it is decrypted; a record comes as a whole.
            asked = min(<Py_ssize_t>STAGE, max(room + room // 64, <Py_ssize_t>LARGEST_RECORD))
            size = self.receive(descriptor, received, asked)
            if size <= 0:
                if size == 0:
                    self.has_lost_peer = True
                    if not self.has_said_goodbye or self.stream.state == OPEN:
                        self.truncated()
                return size
            if size < asked and self.is_tcp and self.below is None:
                is_emptied = not self.stream.is_hung_up
            session.feed(received, size)
            session.status = MORE
        session.settle()
        self.collect()
        if total == 0 and session.status == ENDED:
            return 0
        if total == 0 and session.status == BROKEN:
            self.broken(session.error, "message")
        elif session.status == DRY:
            if is_emptied:
                self.stream.readable = False
                rearm(self.stream.home.poller_, self.stream.descriptor, READ)
        else:
            self.stream.readable = True
        if total == 0:
            set_errno(EINTR)
            return -1
        return total

    cdef Py_ssize_t send(self, int descriptor, Output plain) except -2:
        cdef const char* sealed
        cdef Py_ssize_t size, taken
        cdef int number
        if self.phase == BROKEN_OFF and plain is not None:
            plain.clear()
        if self.wire is not None:
            return self.hand_down(descriptor)
        size = self.seal(plain, &sealed)
        if self.below is not None:
            if size > 0:
                self.to_wire().append(sealed, size)
                self.session.sealed_taken()
            return self.hand_down(descriptor)
        if size < 0:
            return -1
        taken = c_send(descriptor, sealed, size, MSG_NOSIGNAL)
        if taken < size:
            number = errno
            self.to_wire().append(sealed + max(taken, 0), size - max(taken, 0))
            set_errno(number)
        self.session.sealed_taken()
        return taken

    cdef Py_ssize_t seal(self, Output plain, const char** sealed) except -2:
        # Some of the plaintext, encrypted; -1 with errno where there is none to be had.
        cdef Py_ssize_t size = 0
        if plain is not None and plain.size and self.phase == READY:
            size = self.session.seal(plain, SEALED_AT_ONCE, sealed)
            if size:
                return size
            if self.session.error is not None:
                self.broken(self.session.error, "message")
            else:
                self.waits = True
        set_errno(EINTR)
        return -1

    cdef int collect(self) except -1:
        # What the session has to say, beside what is written, goes out with the next flush; so does
        # what waited for the peer to speak.
        cdef Channel stream = self.stream
        cdef const char* data
        cdef Py_ssize_t size = self.session.produced(&data)
        if size:
            self.to_wire().append(data, size)
            self.session.taken()
        if size == 0 and not self.waits:
            return 0
        self.waits = False
        if not stream.in_flushes:
            stream.in_flushes = True
            stream.home.flushes.push(stream)
        return 0

    cdef bint can_send(self, Output plain) noexcept:
        if self.wire is not None or self.below is not None:
            if self.can_hand_down():
                return True
            if self.wire is not None:
                return False
        if plain is None or plain.size == 0:
            return False
        return self.phase == BROKEN_OFF or self.phase == READY and not self.waits

    cdef bint finish(self) except -1:
        if self.phase == READY and not self.has_said_goodbye and not self.has_lost_peer:
            self.has_said_goodbye = True
            self.session.goodbye()
            self.collect()
            return True
        return Layer.finish(self)

    cdef object ssl_object(self):
        return self.session.ssl_object if self.phase == READY else None

    cdef int closing(self) except -1:
        cdef list waiters = self.waiters
        self.drop_deadline()
        if self.phase == SHAKING:
            # What was written to be encrypted never will be.
            self.phase = BROKEN_OFF
            self.drop_plain()
        Layer.closing(self)
        self.waiters = None
        return 0 if waiters is None else wake_all(waiters)

    cdef int drop_plain(self) except -1:
        # What waits in the stream and above this layer is not encrypted any more.
        cdef Layer above = self.stream.layer
        self.stream.output = None
        while above is not None and above is not self:
            above.drop()
            above = above.below
        self.stream.must_read = self.stream.is_draining
        return 0

    cdef int drop_deadline(self) except -1:
        cdef Deadline deadline = self.deadline
        if deadline is not None:
            self.deadline = None
            deadline.layer = None
            deadline.is_cancelled = True
            if deadline.is_pending:
                self.stream.engine.timers.drop(deadline)
        return 0

    cdef int broken(self, object error, str phase) except -1:
        # The stream ends with it. What the session tells the peer of it (an alert) goes out first,
        # and the peer gets the time to read it.
        self.phase = BROKEN_OFF
        self.drop_deadline()
        self.drop_plain()
        self.collect()
        self.stream.lingers = True
        self.stream.drain_time = min(self.stream.drain_time, FAREWELL)
        return self.stream.start_closing(self.cause_of(error, phase))

    cdef int established(self) except -1:
        cdef list waiters = self.waiters
        self.waiters = None
        return 0 if waiters is None else wake_all(waiters)

    cdef int late(self) except -1:
        return self.stream.start_abort(
            ConnectTimeout(phase="tls", peer=self.stream.peer, elapsed=self.handshake_time)
        )

    cdef int truncated(self) except -1:
        # Told after what came before it.
        self.stream.eof_error = TLSTruncated(phase="message", peer=self.stream.peer)
        return 0

    cdef object cause_of(self, object error, str phase):
        if isinstance(error, TLSError):
            error.peer = self.stream.peer
            error.elapsed = self.stream.engine.clock() - self.began
            return error
        return from_ssl_error(
            error,
            phase=phase,
            peer=self.stream.peer,
            elapsed=self.stream.engine.clock() - self.began if phase == "tls" else None,
        )


cdef Session open_session(object context, bint server_side, object hostname):
    cdef Session session = None
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"TLS needs an ssl.SSLContext, got {context!r}")
    if way == "openssl":
        session = open_direct(context, server_side, hostname)
    return session or ObjectSession(context, server_side, hostname)


cdef class Handshaking(Awaiting):
    # What `start_tls` returns.
    cdef Tls layer

    cdef bint ready(self) except -1:
        if self.layer.phase != READY and self.layer.stream.state != OPEN:
            raise self.layer.stream.ended_error(self.has_waited)
        return self.layer.phase == READY

    cdef object take(self):
        return self.layer.session.ssl_object

    cdef int wait(self, Waiter waiter) except -1:
        if self.layer.waiters is None:
            self.layer.waiters = []
        self.layer.waiters.append(waiter)
        return 0

    cdef int forget(self, Waiter waiter) except -1:
        if self.layer.waiters is not None and waiter in self.layer.waiters:
            self.layer.waiters.remove(waiter)
        return 0


def start_tls(
    Channel stream, context, server_side, server_hostname, handshake_timeout, shutdown_timeout,
    session
):
    """`Stream.start_tls`, which says what it does."""
    cdef Handshaking handshaking = Handshaking.__new__(Handshaking)
    stream.check()
    if not server_side and not server_hostname and getattr(context, "check_hostname", False):
        raise ValueError("the context checks the host's name: TLS needs a server_hostname")
    if isinstance(stream.layer, Tls) and (<Tls>stream.layer).phase != READY:
        raise RuntimeError("the handshake of this stream goes on already")
    handshaking.loop = stream.home
    handshaking.layer = Tls.__new__(Tls)
    handshaking.layer.begin(
        stream,
        context,
        server_side,
        server_hostname,
        -1 if handshake_timeout is None else handshake_timeout,
        shutdown_timeout,
        session,
    )
    return handshaking


def choose(name=None):
    """Which way new sessions take, one of `WAYS`; returns it. `TETHER_TLS` chooses at the start.

    Raises:
        ValueError: there is no such way, or not with this Python.
    """
    global way
    if name is not None:
        if name not in WAYS:
            raise ValueError(f"no such way to TLS: {name!r} (there is: {', '.join(WAYS)})")
        if name == "openssl" and unavailable:
            raise ValueError(f"OpenSSL cannot be called directly: {unavailable}")
        way = name
    return way


choose(os.environ.get("TETHER_TLS") or None)
