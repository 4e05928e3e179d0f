# Bytes both ways over a socket, and the protocol that consumes them. Knows the engine, no user.
#
# Reading: `readable` is set by an edge and cleared by EAGAIN, by the end of file, and by a TCP
# read that came back short while no hang-up was announced (the kernel then owes a new edge).
# Whoever stops earlier leaves it set, and `resume` puts the stream on the loop's list.
# Writing: what is written while events are served leaves in one system call, at the flush.

import contextlib

from libc.errno cimport EAGAIN, EINTR, EIO, EPIPE, errno
from posix.unistd cimport close as close_descriptor

from tether.engine.poller cimport CLOSED_BY_PEER, EDGE, HANGUP, READ, WRITE, rearm
from tether.engine.scope cimport CLOSED, CLOSING, OPEN
from tether.engine.waiter cimport wake_all
from tether.stream.admission cimport Tally
from tether.stream.buffer cimport Buffer
from tether.stream.names cimport read_address
from tether.stream.output cimport give_output, take_output
from tether.stream.system cimport SHUT_WR, SO_LINGER, SOL_SOCKET, iovec, linger
from tether.stream.system cimport readv, recv, setsockopt, shutdown

from tether.errors import WriteTimeout, from_errno

cdef enum:
    READS_PER_TURN = 4
    DRAIN_LIMIT = 64 * 1024 * 1024

WRITE_HIGH = 64 * 1024
WRITE_LOW = 16 * 1024
READ_HIGH = 64 * 1024
cdef double DRAIN_SECONDS = 2.0
cdef double SLOWEST_FLUSH = 256.0  # bytes a second that a closing stream's peer has to take


cdef class Consumer(Scope):
    """A protocol on a stream. It holds the stream, and closes it last."""

    cdef int take_stream(self, Channel stream) except -1:
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


cdef class Channel(Source):
    # What is the same whoever takes the bytes: a protocol (a consumer), or the user of a stream.

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

    cdef int start(self, Engine engine, int descriptor, Scope owner, bint held) except -1:
        # From here the descriptor is the stream's, whatever happens.
        self.home = engine
        self.descriptor = descriptor
        self.is_wired = True
        self.heard = engine.now
        owner.adopt(self, held)
        # The system has just given us this number: whoever is noted for it closed it unnoticed.
        engine.poller_.unwatch(descriptor)
        engine.poller_.watch(descriptor, self, READ | WRITE | CLOSED_BY_PEER | EDGE)
        return 0

    cdef bint can_write(self) noexcept:
        return self.is_wired and self.state == OPEN and self.send_errno == 0

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

    cdef int write_message(self, object message) except -1:
        # Bytes, or a buffer, which is empty then.
        if type(message) is bytes:
            return self.write_bytes(message)
        cdef Buffer buffer = <Buffer?>message
        cdef Py_ssize_t size = len(buffer)
        if size == 0 or not self.touch():
            return 0
        if self.layer is not None and buffer.chain.has_references():
            # Layers share memory while they work, and no Python code may run then.
            self.output.append_bytes(bytes(buffer))
            buffer.clear()
            return 0
        buffer.move_into(self.output, size)
        return buffer.changed(0, size)

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
        cdef bint has_left = False
        if what & (READ | CLOSED_BY_PEER | HANGUP):
            self.readable = True
            if what & (CLOSED_BY_PEER | HANGUP) and not self.is_hung_up:
                self.is_hung_up = True
                has_left = True
        try:
            if what & WRITE and self.is_blocked:
                self.is_blocked = False
                self.flush()
            if self.readable:
                self.receive()
                self.flush_large()
            if has_left and self.state == OPEN:
                self.left()
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
        if self.readable and self.is_wired:
            self.pend()
        return 0

    cdef int receive(self) except -1:
        cdef Py_ssize_t room, size, wanted
        cdef int failure, turns = READS_PER_TURN
        cdef iovec pieces[2]
        cdef char* place = NULL
        while self.readable and self.is_wired and not self.at_eof:
            if self.must_read:
                room = self.home.receive_size
            elif self.state != OPEN or self.is_paused:
                return 0
            else:
                room = self.own_room() if self.consumer is None else self.consumer.room()
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
                size = self.layer.pull(
                    self.descriptor, place if wanted else self.home.receive, wanted or room
                )
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
        else:
            self.take(data, size)
        return 0

    cdef int end_of_file(self) except -1:
        if self.is_draining:
            shut(self)
        elif self.send_errno:
            self.fail(self.send_errno, "send")
        elif self.eof_error is not None and not self.inbox:
            self.start_abort(self.eof_error)
        elif self.consumer is not None:
            self.consumer.eof()
        else:
            self.take_eof()
        return 0

    cdef Py_ssize_t own_room(self) except -1:
        # How many bytes are taken where there is no consumer.
        return self.read_high

    cdef int take(self, char* data, Py_ssize_t size) except -1:
        # Bytes that no consumer takes.
        return 0

    cdef int take_eof(self) except -1:
        return 0

    cdef int left(self) except -1:
        # The peer closed its side, whether or not anybody reads.
        return 0

    cdef int on_blocked(self) except -1:
        # The system takes no more for now.
        return 0

    cdef int wake_reader(self) except -1:
        cdef Waiter waiter = self.read_waiter
        if waiter is not None:
            self.read_waiter = None
            waiter.wake()
        return 0

    cdef int take_drained(self) except -1:
        # What waited to be sent fell to the low mark, and there is no consumer to tell.
        return 0

    cdef int flush(self) except -1:
        # What a message refers to is released when it was sent: that runs Python code, which may
        # end the stream.
        cdef Py_ssize_t taken
        cdef Output output
        self.in_flushes = False
        if not self.is_wired or self.is_blocked or self.home.is_inherited:
            return 0
        if self.output is None and self.layer is None:
            return self.all_sent() if self.wants_room or self.is_half_closed else 0
        while self.has_to_send():
            output = self.output
            if self.layer is None:
                taken = output.send(self.descriptor)
            else:
                taken = self.layer.send(self.descriptor, self.output)
            if taken >= 0:
                self.sent += taken
                self.sent_at = self.home.now
                if self.layer is None and self.output is not output:
                    return 0
            elif errno == EAGAIN:
                self.is_blocked = True
                rearm(self.home.poller_, self.descriptor, WRITE)
                self.on_blocked()
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

    cdef bint has_to_send(self) noexcept:
        if self.layer is not None:
            return self.layer.can_send(self.output)
        return self.output is not None and self.output.size > 0

    cdef int all_sent(self) except -1:
        if self.is_finishing:
            return finish_sending(self)
        if self.is_half_closed:
            if self.layer is not None and self.layer.finish():
                return self.flush()
            half_close(self)
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
        if self.is_parting and number == EPIPE:
            return shut(self)  # only the layers' last word is lost, on a peer that has left
        if self.state != OPEN or self.at_eof or number == EIO:
            return self.fail(number, "send")  # EIO: a file could not be read; the peer is there
        self.is_hung_up = True
        self.readable = True
        if self.wants_drain:
            self.tell_drained()
        if self.is_paused:
            return self.fail(number, "send")
        return self.pend()

    cdef int drop_output(self) except -1:
        cdef Output output = self.output  # what it releases shall find the stream without it
        cdef Layer layer = self.layer
        self.output = None
        while layer is not None:
            layer.drop()
            layer = layer.below
        return 0

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
        else:
            self.take_drained()
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
        if self.layer is not None:
            self.layer.closing()
        if self.consumer is not None and self.consumer.state == OPEN:
            self.consumer.lost(self.cause)
        return 0

    cdef int on_finish(self) except -1:
        if self.is_aborting or not self.is_wired:
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


cdef int put_on(Channel channel, Layer layer) except -1:
    # A layer on top of all there are. What was written before goes out before it, as it is.
    layer.below = channel.layer
    if channel.output is not None and channel.output.size:
        layer.wire = channel.output
    channel.output = None
    channel.layer = layer
    return 0


cdef int half_close(Channel channel) except -2:
    # The end of file; -1 where the other side is gone.
    if channel.layer is not None:
        return channel.layer.half_close(channel.descriptor)
    return shutdown(channel.descriptor, SHUT_WR)


cdef int finish_sending(Channel channel) except -1:
    # All is sent. Where the peer may still be sending, closing at once would reset the connection
    # and could destroy what it has not read yet: its rest is read and dropped first.
    if channel.is_released or channel.is_draining:
        return 0
    if channel.layer is not None and channel.layer.finish():
        channel.is_parting = True
        return channel.flush()  # its last word goes out first; then this is asked again
    if channel.finish_alarm is not None:
        channel.drop_alarm(channel.finish_alarm)
        channel.finish_alarm = None
    if not channel.lingers or channel.at_eof or half_close(channel) != 0:
        return shut(channel)
    channel.is_draining = True
    channel.must_read = True
    channel.finish_alarm = channel.set_alarm(channel.drain_time, DRAIN_DEADLINE)
    channel.readable = True
    return channel.pend()


cdef int shut(Channel channel) except -1:
    # Releases the descriptor. An aborted connection is reset, so that nobody takes a torn-off
    # reply for a whole one.
    cdef linger now
    cdef Tally tally = channel.tally
    cdef int descriptor = channel.descriptor
    if channel.finish_alarm is not None:
        channel.drop_alarm(channel.finish_alarm)
        channel.finish_alarm = None
    channel.drop_output()
    if channel.is_wired:
        channel.is_wired = False
        if channel.layer is not None:
            channel.layer.cut(channel.is_aborting and channel.resets)
    if descriptor >= 0:
        channel.descriptor = -1
        channel.home.poller_.unwatch(descriptor)
        if channel.is_aborting and channel.resets:
            now.l_onoff = 1
            now.l_linger = 0
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof(now))
        if channel.socket is not None:
            with contextlib.suppress(OSError):  # somebody closed the descriptor behind our back
                channel.socket.close()
        else:
            close_descriptor(descriptor)
        if tally is not None:
            channel.tally = None
            tally.left()
    if not channel.is_released:
        channel.release()
    return 0
