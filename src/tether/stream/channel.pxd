# Bytes both ways over a socket, and the protocol that consumes them. Knows the engine, no user.

from libc.stdint cimport uint32_t

from tether.engine.engine cimport Engine
from tether.engine.poller cimport Source
from tether.engine.scope cimport Alarm, Scope
from tether.engine.waiter cimport Waiter
from tether.stream.admission cimport Tally
from tether.stream.layer cimport Layer
from tether.stream.output cimport Output


cdef enum:
    FLUSH_DEADLINE = 16
    DRAIN_DEADLINE = 17
    LONG_OUTPUT = 16 * 1024


cdef class Channel(Source)


cdef class Consumer(Scope):
    # A protocol on a stream: it is a scope, and holds the stream it reads from.
    cdef Channel stream
    cdef int take_stream(self, Channel stream) except -1
    cdef int feed(self, char* data, Py_ssize_t size) except -1
    cdef int eof(self) except -1
    cdef int hung_up(self) except -1
    cdef int lost(self, object cause) except -1
    cdef int drained(self) except -1
    cdef Py_ssize_t room(self) except -1
    cdef Py_ssize_t target(self, char** where) except -1
    cdef int filled(self, Py_ssize_t size) except -1
    cdef int unfilled(self) except -1
    cdef int has_room(self) except -1
    cdef int send_again(self, object message) except -1
    cdef int take_rest(self, bytearray rest) except -1


cdef class Channel(Source):
    cdef Consumer consumer
    cdef Output output
    cdef Layer layer            # between the wire and the plaintext: TLS; None where there is none
    cdef Engine home            # the engine, typed: streams use its receive buffer and its lists
    cdef int descriptor         # -1 where the wire is none of the system's, and once it was released
    cdef bint is_wired          # from the start until the wire is released
    cdef bint readable          # an edge said so, and nothing has said otherwise since
    cdef bint is_paused, at_eof, is_hung_up, in_unread, in_flushes, is_blocked, is_tcp
    cdef bint wants_drain, wants_room, lingers, is_draining
    cdef bint must_read         # whatever its consumer has room for: a handshake, a drain
    cdef bint resets            # an abort resets the connection
    cdef bint is_parting        # all is sent, and the layers' last words are on their way
    cdef bint is_half_closed    # no more is sent once all is sent
    cdef int send_errno
    cdef Py_ssize_t write_high, write_low, read_high, drained_bytes
    cdef unsigned long long received, sent, sent_before
    cdef double heard           # when the last bytes came, on the loop's clock
    cdef double sent_at         # when the system last took some
    cdef double drain_time      # seconds that the peer gets to close its side
    cdef object eof_error       # why the end of file is none to rely on
    cdef object peer_name, senders
    cdef object socket          # Python's socket, where somebody has it: then it closes the descriptor
    cdef unsigned char address[28]
    cdef Alarm finish_alarm
    cdef Tally tally            # where an accepted connection counts, until its descriptor is released
    cdef bytearray inbox        # what nobody took yet
    cdef Waiter read_waiter     # who waits for it
    cdef Py_ssize_t wanted      # how many bytes he needs at once
    cdef int start(self, Engine engine, int descriptor, Scope owner, bint held) except -1
    cdef int write(self, const char* data, Py_ssize_t size) except -1
    cdef int write_bytes(self, bytes data) except -1
    cdef int write_message(self, object message) except -1
    cdef char* reserve(self, Py_ssize_t size) except NULL
    cdef bint can_write(self) noexcept
    cdef Py_ssize_t waiting_bytes(self) noexcept
    cdef int touch(self) except -1
    cdef int end_sending(self) except -1
    cdef bint has_to_send(self) noexcept
    cdef int all_sent(self) except -1
    cdef int receive(self) except -1
    cdef int flush_large(self) except -1
    cdef int pend(self) except -1
    cdef int resume(self) except -1
    cdef int deliver(self, char* data, Py_ssize_t size) except -1
    cdef Py_ssize_t own_room(self) except -1
    cdef int take(self, char* data, Py_ssize_t size) except -1
    cdef int take_eof(self) except -1
    cdef int take_drained(self) except -1
    cdef int wake_reader(self) except -1
    cdef int left(self) except -1
    cdef int on_blocked(self) except -1
    cdef int end_of_file(self) except -1
    cdef int cannot_send(self, int number) except -1
    cdef int drop_output(self) except -1
    cdef int tell_drained(self) except -1
    cdef int fail(self, int number, str phase) except -1


cdef int put_on(Channel channel, Layer layer) except -1
