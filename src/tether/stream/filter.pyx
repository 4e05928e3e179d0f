# Transforms of what a stream sends and receives. Knows channels, no wire and no protocol.
#
# A filter's code may do anything to its stream, close it too: the state is looked at again after it.
# What it makes of some bytes it may make piece by piece (an iterator): no piece is asked for before
# there is room for it, so what inflates does so in bounded memory.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EINTR, errno
from libc.string cimport memcpy

from tether.engine.members cimport let_go
from tether.engine.scope cimport CLOSING, OPEN
from tether.stream.channel cimport put_on
from tether.stream.system cimport set_errno

from tether.errors import NetworkError, ProtocolError

cdef enum:
    AT_ONCE = 64 * 1024   # bytes that a filter gets at once, and that it makes before they are sent


cdef class Filter:
    """A transform of the bytes of a stream, put on it with `stream.push`: override what is needed.

    What is sent passes `encode` on its way out, what comes passes `decode`; as they are here nothing
    changes. Each method returns bytes, or an iterable of bytes whose next piece is asked for when
    there is room for it: whoever makes much of little makes it in pieces. What a method raises ends
    the stream: a `NetworkError` as it is, anything else as the cause of a `ProtocolError`. They run
    on the loop and must not block. A filter has a state: each stream gets one of its own.

    >>> import tether
    >>> class Shouting(tether.Filter):
    ...     def encode(self, data):
    ...         return data.upper()
    >>> async def main():
    ...     near, far = tether.pair()
    ...     near.push(Shouting())
    ...     near.send(b"hello")
    ...     near.close()
    ...     return await far.read()
    >>> tether.run(main())
    b'HELLO'
    """

    def encode(self, data):
        """What goes on the wire for `data`, the next bytes (up to 64 KiB) of what was sent."""
        return data

    def flush(self):
        """What `encode` held back: asked for when nothing more waits to be sent, so that the peer
        can decode all of it."""
        return b""

    def end(self):
        """The last bytes on the wire: asked for once, when the stream closes or half-closes."""
        return b""

    def decode(self, data):
        """What the stream receives for `data`, the next bytes (up to 64 KiB) from the wire."""
        return data

    def eof(self):
        """The last bytes that the stream receives, now that the peer sends no more; raises where
        that was too early."""
        return b""


cdef class FilterLayer(Layer):
    """A filter on a stream."""

    cdef Py_ssize_t pull(self, int descriptor, char* where, Py_ssize_t room) except -2:
        cdef Channel stream = self.stream
        cdef Py_ssize_t size
        if self.is_broken or stream.is_draining and stream.layer is self:
            return self.receive(descriptor, where, room)  # it is only read to be dropped
        while True:
            if self.piece is not None:
                size = min(room, PyBytes_GET_SIZE(self.piece) - self.start)
                memcpy(where, PyBytes_AS_STRING(self.piece) + self.start, size)
                self.start += size
                if self.start == PyBytes_GET_SIZE(self.piece):
                    self.piece = None
                stream.readable = True  # there may be more, and no event would tell
                return size
            if self.decoding is None:
                if self.was_told:
                    return 0
                size = self.receive(descriptor, stream.home.receive, AT_ONCE)
                if size < 0:
                    return -1
                if size == 0:
                    self.is_at_end = True
                    self.was_told = True
                    self.decoding = self.ask(self.filter.eof, None, False)
                else:
                    data = PyBytes_FromStringAndSize(stream.home.receive, size)
                    self.decoding = self.ask(self.filter.decode, data, False)
            self.decode_more()
            if self.piece is None or not stream.must_read and (
                stream.state != OPEN or stream.is_paused
            ):
                # The stream looks first whether to go on.
                stream.readable = stream.is_wired
                set_errno(EINTR)
                return -1

    cdef int decode_more(self) except -1:
        if self.decoding is not None:
            self.start = 0
            self.piece = self.advance(self.decoding, False)
            if self.piece is None:
                self.decoding = None
        return 0

    cdef Py_ssize_t send(self, int descriptor, Output plain) except -2:
        if not self.is_encoding:
            self.encode_more(plain)
        return self.hand_down(descriptor)

    cdef int encode_more(self, Output plain) except -1:
        cdef char* where
        cdef Py_ssize_t size
        cdef bytes piece
        while not self.is_dropped and (self.wire is None or self.wire.size < AT_ONCE):
            if self.encoding is not None:
                piece = self.advance(self.encoding, True)
                if self.is_dropped:
                    return 0
                if piece is not None:
                    self.to_wire().append_bytes(piece)
                    continue
                self.encoding = None
                self.encoding_size = 0
            if plain is not None and plain.size:
                size = min(plain.first_piece(&where), <Py_ssize_t>AT_ONCE)
                if size < 0:
                    return self.stream.fail(errno, "send")  # a file cannot be read
                data = PyBytes_FromStringAndSize(where, size)
                plain.drop(size)
                if self.is_dropped:
                    return 0
                self.encoding_size = size
                self.holds_back = True
                self.encoding = self.ask(self.filter.encode, data, True)
            elif self.holds_back:
                self.holds_back = False
                self.encoding = self.ask(self.filter.flush, None, True)
            else:
                return 0
            if self.encoding is None:
                self.encoding_size = 0
        return 0

    cdef bint can_send(self, Output plain) noexcept:
        if self.is_encoding:
            return False
        if self.can_hand_down():
            return True
        if self.is_dropped or self.wire is not None and self.wire.size >= AT_ONCE:
            return False
        return self.encoding is not None or self.holds_back or plain is not None and plain.size > 0

    cdef Py_ssize_t waiting_bytes(self) noexcept:
        return self.encoding_size + Layer.waiting_bytes(self)

    cdef bint finish(self) except -1:
        if not self.has_ended and not self.is_dropped:
            self.has_ended = True
            self.encoding = self.ask(self.filter.end, None, True)
            if self.encoding is not None:
                return True
        return Layer.finish(self)

    cdef int drop(self) except -1:
        self.is_dropped = True
        self.encoding_size = 0
        let_go(self.stream.engine, self.encoding)
        self.encoding = None
        return Layer.drop(self)

    cdef int cut(self, bint resets) except -1:
        self.is_broken = True
        let_go(self.stream.engine, (self.decoding, self.filter))
        self.decoding = None
        self.piece = None
        return Layer.cut(self, resets)

    cdef object ask(self, object method, object data, bint is_sending):
        # The pieces that a method of the filter returns; None where there are none.
        cdef object made, pieces = None
        self.is_encoding = self.is_encoding or is_sending
        self.stream.engine.depth += 1
        try:
            made = method() if data is None else method(data)
            if type(made) is bytes:
                pieces = iter((made,)) if made else None
            elif isinstance(made, (bytearray, memoryview)):
                pieces = iter((bytes(made),))
            elif made is not None:
                pieces = iter(made)
        except BaseException as error:
            self.fail(error, is_sending)
        finally:
            self.stream.engine.depth -= 1
            if is_sending:
                self.is_encoding = False
        return pieces

    cdef bytes advance(self, object pieces, bint is_sending):
        # The next piece that is not empty; None after the last one.
        cdef object piece
        cdef bytes found = None
        self.is_encoding = self.is_encoding or is_sending
        self.stream.engine.depth += 1
        try:
            for piece in pieces:
                found = piece if type(piece) is bytes else bytes(memoryview(piece))
                if found:
                    break
            else:
                found = None
        except BaseException as error:
            found = None
            self.fail(error, is_sending)
        finally:
            self.stream.engine.depth -= 1
            if is_sending:
                self.is_encoding = False
        return found

    cdef int fail(self, object error, bint is_sending) except -1:
        # What comes cannot be read: what was sent still goes out. What is sent cannot be: it ends.
        cdef object cause = error
        if isinstance(error, Exception) and not isinstance(error, NetworkError):
            cause = ProtocolError(
                f"{type(self.filter).__name__}: {error or type(error).__name__}", phase="message"
            )
            cause.__cause__ = error
        if isinstance(cause, NetworkError) and not cause.peer:
            cause.peer = self.stream.peer
        if self.stream.state == CLOSING and self.stream.cause is None:
            self.stream.cause = cause  # an orderly close whose last bytes fail
        if is_sending:
            self.stream.start_abort(cause)
        else:
            self.is_broken = True
            self.stream.start_closing(cause)
        if not isinstance(error, Exception):
            raise error
        return 0


def push(Channel stream, Filter filter not None):
    """`Stream.push`, which says what it does."""
    cdef FilterLayer layer = FilterLayer.__new__(FilterLayer)
    cdef bytearray early = stream.inbox
    stream.check()
    if filter.is_used:
        raise RuntimeError("this filter is on a stream already")
    filter.is_used = True
    layer.stream = stream
    layer.filter = filter
    put_on(stream, layer)
    if early:
        # What nobody took yet passes it too, and so does an end of file after it.
        stream.inbox = None
        stream.at_eof = False
        stream.readable = True
        layer.decoding = layer.ask(filter.decode, bytes(early), False)
    stream.resume()
    return filter
