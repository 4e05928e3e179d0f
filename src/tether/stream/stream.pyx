# Streams over sockets, and what consumes their bytes. Knows the engine, no protocol and no asyncio.
#
# Reading: `readable` is set by an edge and cleared by EAGAIN, by the end of file, and by a TCP
# read that came back short while no hang-up was announced (the kernel then owes a new edge).
# Whoever stops earlier leaves it set, and `resume` puts the stream on the loop's list.
# Writing: what is written while events are served leaves in one system call, at the flush.

import contextlib

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, errno
from posix.unistd cimport close as close_descriptor

from tether.engine.members cimport let_go
from tether.engine.poller cimport CLOSED_BY_PEER, EDGE, HANGUP, READ, WRITE, rearm
from tether.engine.scope cimport CLOSED, CLOSING, OPEN
from tether.engine.waiter cimport wake_all
from tether.stream.names cimport read_address
from tether.stream.output cimport give_output, take_output
from tether.stream.system cimport SHUT_WR, SO_LINGER, SOL_SOCKET, iovec, linger
from tether.stream.system cimport readv, recv, setsockopt, shutdown
from tether.stream.taken cimport TAKEN

from tether.errors import ConnectionClosed, WriteTimeout, from_errno

cdef enum:
    READS_PER_TURN = 4
    DRAIN_LIMIT = 64 * 1024 * 1024

WRITE_HIGH = 64 * 1024
WRITE_LOW = 16 * 1024
READ_HIGH = 64 * 1024
cdef double DRAIN_SECONDS = 2.0
cdef double SLOWEST_FLUSH = 256.0  # bytes a second that a closing stream's peer has to take


cdef class Outcome(Awaiting):
    """What `send` returns when the message was not taken: false.

    Awaiting it waits for the low mark and then takes the message; cancelling that means that it
    was not sent. It raises `Closed` where the stream is closed.
    """

    def __bool__(self):
        return False

    def __repr__(self):
        return "<Outcome not taken>"

    cdef bint ready(self) except -1:
        if self.message is None:
            return True  # it was taken when it was awaited before
        if self.session is not None and self.session.state != OPEN:
            raise send_error(self.session, self.has_waited)
        if self.stream.state != OPEN:
            raise send_error(self.stream, self.has_waited)
        # Where sending failed, the close with its cause is on its way: it is waited for.
        return self.stream.can_write() and self.stream.waiting_bytes() < self.stream.write_high

    cdef object take(self):
        if self.message is None:
            return None
        if self.session is not None:
            self.session.send_again(self.message)
        else:
            self.stream.write_bytes(self.message)
        self.message = None
        return None

    cdef int wait(self, Waiter waiter) except -1:
        if self.stream.senders is None:
            self.stream.senders = []
        self.stream.senders.append(waiter)
        self.stream.wants_drain = True
        return 0

    cdef int forget(self, Waiter waiter) except -1:
        if self.stream.senders is not None and waiter in self.stream.senders:
            self.stream.senders.remove(waiter)
        return 0


cdef object send_error(Scope scope, bint has_waited):
    # Only who waited to send hears the cause: whose send came after the close is told by `recv`.
    return scope.ended_error(True) if has_waited else scope.closed_error()


cdef Outcome not_taken(Stream stream, Consumer session, object message):
    cdef Outcome outcome = Outcome.__new__(Outcome)
    outcome.loop = stream.home
    outcome.stream = stream
    outcome.session = session
    outcome.message = message
    return outcome


cdef class Consumer(Scope):
    """A protocol on a stream. It holds the stream, and closes it last."""

    cdef int take_stream(self, Stream stream) except -1:
        # The stream leaves its owner, or its former consumer, and is held by this one.
        stream.leave()
        self.adopt(stream, True)
        stream.consumer = self
        self.stream = stream
        return 0

    cdef int feed(self, char* data, Py_ssize_t size) except -1:
        # Takes all of `data`, which it may change in place, and which is gone afterwards.
        return 0

    cdef int eof(self) except -1:
        # The peer will send no more.
        return 0

    cdef int hung_up(self) except -1:
        # The peer has left, while there is no room to read what it sent before.
        return 0

    cdef int lost(self, object cause) except -1:
        # The stream is gone.
        self.start_closing(cause)
        return 0

    cdef int drained(self) except -1:
        # What waited to be sent fell to the low mark.
        return 0

    cdef Py_ssize_t room(self) except -1:
        # How many bytes it takes now; 0 stops the reading until `stream.resume`.
        return self.stream.read_high

    cdef Py_ssize_t target(self, char** where) except -1:
        # Memory of its own that the next bytes belong into, and how many; 0 where it has none.
        return 0

    cdef int filled(self, Py_ssize_t size) except -1:
        # So many bytes were received into that memory.
        return 0

    cdef int unfilled(self) except -1:
        # Nothing was: there was nothing to receive.
        return 0

    cdef int has_room(self) except -1:
        # All is sent and the socket takes more: told once, to who set `wants_room`.
        return 0

    cdef int send_again(self, object message) except -1:
        # A message that was not taken before.
        return 0

    cdef int take_rest(self, bytearray rest) except -1:
        # What another protocol read of the stream, and did not take: it comes before all else.
        return 0

    cdef int on_finish(self) except -1:
        if self.stream is None or self.stream.state == CLOSED or self.stream.owner is not self:
            self.is_released = True
        else:
            self.stream.start_closing(self.cause)
        return 0

    cdef int on_abort(self) except -1:
        if self.stream is None or self.stream.owner is not self:
            self.is_released = True
        return 0

    cdef int member_closed(self, Scope member) except -1:
        if member is self.stream:
            if self.state == OPEN:
                self.lost(member.cause)
            if self.is_finishing:
                self.release()
        return 0


cdef class Stream(Source):
    """Bytes both ways over a socket, with backpressure both ways.

    `send` takes what it can and says so; reading stops where nobody takes the bytes. Made by
    `tether.connect` and by listeners, never directly.
    """

    def __cinit__(self, *args, **kwargs):
        self.descriptor = -1
        self.resets = True
        self.write_high = WRITE_HIGH
        self.write_low = WRITE_LOW
        self.read_high = READ_HIGH
        self.drain_time = DRAIN_SECONDS

    def __init__(self):
        raise TypeError("streams are made by tether.connect and by listeners")

    @property
    def peer(self):
        """The other side's address: "host:port", "[v6]:port" or "unix:path"."""
        if self.peer_name is None:
            self.peer_name = read_address(self.address)
        return self.peer_name

    @property
    def attempts(self):
        """What `connect` tried in vain before this stream was connected: a tuple of `Attempt`."""
        return self.failed_attempts or ()

    @property
    def buffered(self):
        """Bytes that wait to be sent."""
        return self.waiting_bytes()

    @property
    def bytes_received(self):
        """Bytes received so far."""
        return self.received

    @property
    def bytes_sent(self):
        """Bytes that the system took so far."""
        return self.sent

    def fileno(self):
        """The descriptor, -1 once it was released."""
        return self.descriptor

    def describe(self):
        """What `tree` says beside the name."""
        return f"{self.peer} in={self.received} out={self.sent} waiting={self.waiting_bytes()}"

    def send(self, data):
        """Send bytes; returns an outcome that has a truth value and can be awaited.

        True: taken. False: the high mark is reached (awaiting waits for the low mark and then
        takes it) or the stream is closed (nothing is sent; awaiting raises `Closed`).

        Args:
            data: bytes, or anything with the buffer protocol (copied).
        """
        self.guard()
        if type(data) is not bytes:
            data = bytes(memoryview(data))
        if self.consumer is not None:
            raise RuntimeError("a protocol writes to this stream")
        if not self.can_write():
            return not_taken(self, None, data)
        if self.waiting_bytes() >= self.write_high:
            self.wants_drain = True
            return not_taken(self, None, data)
        self.write_bytes(data)
        return TAKEN

    def read(self, Py_ssize_t limit=65536):
        """Awaitable: up to `limit` bytes as soon as there are any; b"" at the end of file.

        Raises:
            RuntimeError: another task reads already.
            NetworkError: the stream failed, with its cause; `Closed` after an orderly close.
        """
        return start_reading(self, limit, False)

    def readexactly(self, Py_ssize_t size):
        """Awaitable: exactly `size` bytes.

        Raises:
            ConnectionClosed: the peer's end of file came first.
            RuntimeError: another task reads already.
        """
        return start_reading(self, size, True)

    def on_data(self, callback):
        """Call `callback(data)` with the bytes of every read. A stream of callbacks closes at the
        end of file, unless `on_eof` was set."""
        self.check()
        if self.read_waiter is not None:
            raise RuntimeError("another task reads this stream already")
        self.data_callback = callback
        if not self.inbox:
            self.inbox = None
        if self.inbox is not None or self.at_eof:
            self.set_alarm(0, HAND_ON)
        self.resume()
        return callback

    def on_eof(self, callback):
        """Call `callback()` when the peer will send no more."""
        self.check()
        self.eof_callback = callback
        if self.at_eof:
            self.set_alarm(0, HAND_ON)
        return callback

    def on_drain(self, callback):
        """Call `callback()` when what waits to be sent has fallen to the low mark."""
        self.check()
        self.drain_callback = callback
        return callback

    def pause(self):
        """Read no more until `resume_reading`; the peer feels it."""
        self.check()
        self.is_paused = True

    def resume_reading(self):
        """Go on reading after `pause`."""
        self.check()
        self.is_paused = False
        if self.inbox is not None or self.at_eof:
            self.set_alarm(0, HAND_ON)
        self.resume()

    def start_tls(self, context, *, server_side=False, server_hostname=None,
                  handshake_timeout=10.0, shutdown_timeout=5.0):
        """Begin TLS on this stream; awaitable: the `ssl.SSLObject`, once the handshake is over.

        Args:
            context: an `ssl.SSLContext`: certificates, whom to trust, ALPN.
            server_side: this side has the certificate.
            server_hostname: the name that the peer's certificate has to be for.
            handshake_timeout: seconds for the handshake; None waits for ever.
            shutdown_timeout: seconds that the peer gets, after a close, to say goodbye as well.

        Raises:
            CertificateError, TLSAlert, TLSError: the handshake failed, and the stream closes.
            ConnectTimeout: the peer was silent; `phase` is "tls".
        """
        from tether.stream.tls import start_tls  # it stands above this file

        return start_tls(self, context, server_side, server_hostname, handshake_timeout,
                         shutdown_timeout)

    cdef int start(self, Engine engine, int descriptor, Scope owner, bint held) except -1:
        # From here the descriptor is the stream's, whatever happens.
        self.home = engine
        self.descriptor = descriptor
        self.heard = engine.now
        owner.adopt(self, held)
        # The system has just given us this number: whoever is noted for it closed it unnoticed.
        engine.poller_.unwatch(descriptor)
        engine.poller_.watch(descriptor, self, READ | WRITE | CLOSED_BY_PEER | EDGE)
        return 0

    cdef bint can_write(self) noexcept:
        return self.descriptor >= 0 and self.state == OPEN and self.send_errno == 0

    cdef Py_ssize_t waiting_bytes(self) noexcept:
        cdef Py_ssize_t size = 0 if self.output is None else self.output.size
        return size if self.layer is None else size + self.layer.waiting_bytes()

    cdef int write(self, const char* data, Py_ssize_t size) except -1:
        if self.touch():
            self.output.append(data, size)
        return 0

    cdef int write_bytes(self, bytes data) except -1:
        if self.touch():
            self.output.append_bytes(data)
        return 0

    cdef char* reserve(self, Py_ssize_t size) except NULL:
        # Only after `can_write`: the caller fills `size` bytes at once.
        self.touch()
        return self.output.reserve(size)

    cdef int touch(self) except -1:
        # There will be something to flush; 0 where the stream takes no more.
        if self.home.is_inherited:
            raise self.home.refusal()  # in a forked child nobody would send it
        if not self.can_write():
            return 0
        if self.output is None:
            self.output = take_output()
        if not self.in_flushes:
            self.in_flushes = True
            self.home.flushes.push(self)
        return 1

    cdef int on_event(self, uint32_t what) except -1:
        # An exit that a callback lets out leaves the loop; the edge comes only once, so what was
        # not read stays on the list.
        if what & (READ | CLOSED_BY_PEER | HANGUP):
            self.readable = True
            if what & (CLOSED_BY_PEER | HANGUP):
                self.is_hung_up = True
        try:
            if what & WRITE and self.is_blocked:
                self.is_blocked = False
                self.flush()
            if self.readable:
                self.receive()
                self.flush_large()
        except (KeyboardInterrupt, SystemExit):
            self.pend()
            raise
        return 0

    cdef int flush_large(self) except -1:
        # A long output leaves while the processor still has it in its cache: gathered over all
        # streams of a pass, 64 KiB messages cost twice as much.
        if self.output is not None and self.output.size >= LONG_OUTPUT and self.state == OPEN:
            self.flush()
        return 0

    cdef int read_pending(self) except -1:
        self.in_unread = False
        try:
            self.receive()
            return self.flush_large()
        except (KeyboardInterrupt, SystemExit):
            self.pend()
            raise

    cdef int pend(self) except -1:
        if not self.in_unread:
            self.in_unread = True
            self.home.unread.push(self)
        return 0

    cdef int resume(self) except -1:
        if self.readable and self.descriptor >= 0:
            self.pend()
        return 0

    cdef int receive(self) except -1:
        cdef Py_ssize_t room, size, wanted
        cdef int failure, turns = READS_PER_TURN
        cdef iovec pieces[2]
        cdef char* place = NULL
        while self.readable and self.descriptor >= 0 and not self.at_eof:
            if self.must_read:
                room = self.home.receive_size
            elif self.state != OPEN or self.is_paused:
                return 0
            elif self.data_callback is not None and self.inbox is not None:
                return 0  # what came before the callback was set comes first
            elif self.consumer is not None:
                room = self.consumer.room()
            else:
                room = self.read_high - (0 if self.inbox is None else len(self.inbox))
            room = min(room, self.home.receive_size)
            if room <= 0:
                if self.send_errno:
                    return self.fail(self.send_errno, "send")
                if self.is_hung_up and self.consumer is not None:
                    self.consumer.hung_up()
                return 0
            if turns == 0:
                return self.pend()
            turns -= 1
            wanted = 0
            if self.consumer is not None and not self.must_read:
                wanted = self.consumer.target(&place)
                if self.state != OPEN:
                    return 0
            if self.layer is not None:
                size = self.layer.pull(place if wanted else self.home.receive, wanted or room)
                room = size - wanted  # it knows by itself when the wire is empty
            elif wanted:
                pieces[0].iov_base = place
                pieces[0].iov_len = wanted
                pieces[1].iov_base = self.home.receive
                pieces[1].iov_len = room
                size = readv(self.descriptor, pieces, 2)
            else:
                size = recv(self.descriptor, self.home.receive, room, 0)
            if size > 0:
                self.received += size
                self.heard = self.home.now
                if size < wanted + room and self.is_tcp and not self.is_hung_up:
                    self.readable = False
                    rearm(self.home.poller_, self.descriptor, READ)
                if wanted:
                    self.consumer.filled(min(size, wanted))
                    size -= wanted
                if size > 0:
                    self.deliver(self.home.receive, size)
                continue
            failure = errno if size < 0 else 0
            if wanted:
                self.consumer.unfilled()
            if size == 0:
                self.at_eof = True
                self.readable = False
                self.end_of_file()
            elif failure == EAGAIN:
                self.readable = False
                rearm(self.home.poller_, self.descriptor, READ)
            elif failure != EINTR:
                self.readable = False
                self.fail(self.send_errno or failure, "message")
        return 0

    cdef int deliver(self, char* data, Py_ssize_t size) except -1:
        if self.is_draining:
            self.drained_bytes += size
            if self.drained_bytes > DRAIN_LIMIT:
                shut(self)
        elif self.consumer is not None:
            self.consumer.feed(data, size)
        elif self.data_callback is not None:
            self.invoke_one(self.data_callback, PyBytes_FromStringAndSize(data, size))
        else:
            if self.inbox is None:
                self.inbox = bytearray()
            self.inbox.extend(data[:size])
            self.wake_reader()
        return 0

    cdef int wake_reader(self) except -1:
        cdef Waiter waiter = self.read_waiter
        if waiter is not None:
            self.read_waiter = None
            waiter.wake()
        return 0

    cdef int hand_on(self) except -1:
        # What came before the callbacks were set.
        cdef bytearray inbox = self.inbox
        if self.state != OPEN or self.is_paused:
            return 0
        if inbox is not None and self.data_callback is not None:
            self.inbox = None
            self.invoke_one(self.data_callback, bytes(inbox))
        if self.at_eof and not self.eof_told and self.state == OPEN and not self.is_paused:
            return self.end_of_file()
        return self.resume()

    cdef int end_of_file(self) except -1:
        if self.is_draining:
            shut(self)
        elif self.send_errno:
            self.fail(self.send_errno, "send")
        elif self.eof_error is not None and not self.inbox:
            self.start_abort(self.eof_error)
        elif self.consumer is not None:
            self.consumer.eof()
        elif self.eof_callback is not None:
            self.eof_told = True
            self.invoke(self.eof_callback, ())
        elif self.data_callback is not None:
            self.eof_told = True
            self.start_closing(None)
        else:
            self.wake_reader()
        return 0

    cdef int flush(self) except -1:
        cdef Py_ssize_t taken
        self.in_flushes = False
        if self.descriptor < 0 or self.is_blocked or self.home.is_inherited:
            return 0
        if self.output is None and self.layer is None:
            return self.all_sent() if self.wants_room or self.is_half_closed else 0
        while self.output.size if self.layer is None else self.layer.can_send():
            if self.layer is None:
                taken = self.output.send(self.descriptor)
            else:
                taken = self.layer.send(self.descriptor)
            if taken >= 0:
                self.sent += taken
            elif errno == EAGAIN:
                self.is_blocked = True
                rearm(self.home.poller_, self.descriptor, WRITE)
                break
            elif errno != EINTR:
                self.cannot_send(errno)
                return 0
        if self.output is not None and self.output.size == 0:
            give_output(self.output)
            self.output = None
        if self.wants_drain and self.waiting_bytes() <= self.write_low:
            self.tell_drained()
        if not self.waiting_bytes():
            self.all_sent()
        return 0

    cdef int all_sent(self) except -1:
        if self.is_finishing:
            return finish_sending(self)
        if self.is_half_closed:
            shutdown(self.descriptor, SHUT_WR)
        if self.wants_room and self.consumer is not None:
            self.wants_room = False
            self.consumer.has_room()
        return 0

    cdef int end_sending(self) except -1:
        # The end of file, once all is sent; the other direction goes on.
        self.is_half_closed = True
        return 0 if self.waiting_bytes() else self.flush()

    cdef int cannot_send(self, int number) except -1:
        # What the peer said before it left may still be there to read: it says why.
        self.send_errno = number
        self.drop_output()
        if self.state != OPEN or self.at_eof:
            return self.fail(number, "send")
        self.is_hung_up = True
        self.readable = True
        if self.wants_drain:
            self.tell_drained()
        if self.is_paused:
            return self.fail(number, "send")
        return self.pend()

    cdef int drop_output(self) except -1:
        self.output = None
        return 0 if self.layer is None else self.layer.drop()

    cdef int tell_drained(self) except -1:
        cdef list senders = self.senders
        self.wants_drain = False
        self.senders = None
        if senders is not None:
            wake_all(senders)
            if self.waiting_bytes() > self.write_low:
                self.wants_drain = True  # those who waited filled it again
                return 0
        if self.consumer is not None:
            self.consumer.drained()
        elif self.drain_callback is not None:
            self.invoke(self.drain_callback, ())
        return 0

    cdef int fail(self, int number, str phase) except -1:
        # The one place where a running stream's errno becomes its cause.
        cdef object error = from_errno(number, phase=phase, peer=self.peer)
        if self.state == CLOSING and self.cause is None:
            self.cause = error  # an orderly close that failed in its flush
        return self.start_abort(error)

    cdef int on_closing(self) except -1:
        cdef list senders = self.senders
        self.senders = None
        if senders is not None:
            wake_all(senders)
        self.wake_reader()
        if self.layer is not None:
            self.layer.closing()
        let_go(self.home, (self.data_callback, self.eof_callback, self.drain_callback))
        self.data_callback = self.eof_callback = self.drain_callback = None
        if self.consumer is not None and self.consumer.state == OPEN:
            self.consumer.lost(self.cause)
        return 0

    cdef int on_finish(self) except -1:
        if self.is_aborting or self.descriptor < 0:
            return shut(self)
        self.flush()
        if self.is_released:
            return 0
        if not self.waiting_bytes():
            finish_sending(self)
        elif self.linger_time >= 0:
            self.sent_before = self.sent
            self.finish_alarm = self.set_alarm(self.linger_time, FLUSH_DEADLINE)
        return 0

    cdef int on_abort(self) except -1:
        self.drop_output()
        if self.is_finishing:
            shut(self)
        return 0

    cdef int on_alarm(self, int kind) except -1:
        if kind == FLUSH_DEADLINE:
            if self.sent - self.sent_before >= SLOWEST_FLUSH * self.linger_time:
                # It takes its time, but it takes what is sent.
                self.sent_before = self.sent
                self.finish_alarm = self.set_alarm(self.linger_time, FLUSH_DEADLINE)
                return 0
            if self.cause is None:
                self.cause = WriteTimeout(phase="send", peer=self.peer, elapsed=self.linger_time)
            self.start_abort(self.cause)
        elif kind == DRAIN_DEADLINE:
            shut(self)
        elif kind == HAND_ON:
            self.hand_on()
        else:
            Source.on_alarm(self, kind)
        return 0

    cdef int on_closed(self) except -1:
        self.inbox = None
        self.layer = None
        return 0

    cdef int forsake(self) except -1:
        # Without SO_LINGER, which the parent's descriptor shares: its connection goes on.
        self.resets = False
        return shut(self)

    def __dealloc__(self):
        if self.descriptor >= 0 and self.socket is None:
            close_descriptor(self.descriptor)


cdef int finish_sending(Stream stream) except -1:
    # All is sent. Where the peer may still be sending, closing at once would reset the connection
    # and could destroy what it has not read yet: its rest is read and dropped first.
    if stream.is_released or stream.is_draining:
        return 0
    if stream.layer is not None and stream.layer.finish():
        return stream.flush()  # its last word goes out first; then this is asked again
    if stream.finish_alarm is not None:
        stream.drop_alarm(stream.finish_alarm)
        stream.finish_alarm = None
    if not stream.lingers or stream.at_eof or shutdown(stream.descriptor, SHUT_WR) != 0:
        return shut(stream)
    stream.is_draining = True
    stream.must_read = True
    stream.finish_alarm = stream.set_alarm(stream.drain_time, DRAIN_DEADLINE)
    stream.readable = True
    return stream.pend()


cdef int shut(Stream stream) except -1:
    # Releases the descriptor. An aborted connection is reset, so that nobody takes a torn-off
    # reply for a whole one.
    cdef linger now
    cdef int descriptor = stream.descriptor
    if stream.finish_alarm is not None:
        stream.drop_alarm(stream.finish_alarm)
        stream.finish_alarm = None
    stream.drop_output()
    if descriptor >= 0:
        stream.descriptor = -1
        stream.home.poller_.unwatch(descriptor)
        if stream.is_aborting and stream.resets:
            now.l_onoff = 1
            now.l_linger = 0
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof(now))
        if stream.socket is not None:
            with contextlib.suppress(OSError):  # somebody closed the descriptor behind our back
                stream.socket.close()
        else:
            close_descriptor(descriptor)
    if not stream.is_released:
        stream.release()
    return 0


cdef class Reading(Awaiting):
    # What `read` and `readexactly` return.
    cdef Stream stream
    cdef Py_ssize_t size
    cdef bint exactly

    cdef bint ready(self) except -1:
        cdef Stream stream = self.stream
        cdef Py_ssize_t have = 0 if stream.inbox is None else len(stream.inbox)
        if have >= (self.size if self.exactly else 1):
            return True
        if stream.at_eof and stream.eof_error is not None and stream.state == OPEN:
            stream.start_abort(stream.eof_error)
        elif stream.at_eof and stream.eof_error is None:
            if self.exactly and self.size:
                raise ConnectionClosed(
                    f"end of file after {have} of {self.size} bytes",
                    phase="message",
                    peer=stream.peer,
                )
            return True
        if stream.state != OPEN:
            raise stream.ended_error(self.has_waited)
        return False

    cdef object take(self):
        cdef bytearray inbox = self.stream.inbox
        if not inbox:
            return b""
        data = bytes(inbox[: self.size])
        del inbox[: self.size]
        self.stream.resume()
        return data

    cdef int wait(self, Waiter waiter) except -1:
        if self.stream.read_waiter is not None:
            raise RuntimeError("another task reads this stream already")
        self.stream.read_waiter = waiter
        if self.exactly and self.size > self.stream.read_high:
            self.stream.read_high = self.size
        return self.stream.resume()

    cdef int forget(self, Waiter waiter) except -1:
        if self.stream.read_waiter is waiter:
            self.stream.read_waiter = None
        return 0


cdef Reading start_reading(Stream stream, Py_ssize_t size, bint exactly):
    cdef Reading reading = Reading.__new__(Reading)
    stream.guard()
    if size < 0:
        raise ValueError(f"a number of bytes is 0 or more, got {size}")
    if stream.consumer is not None or stream.data_callback is not None:
        raise RuntimeError("the bytes of this stream go elsewhere already")
    reading.loop = stream.home
    reading.stream = stream
    reading.size = size
    reading.exactly = exactly
    return reading
