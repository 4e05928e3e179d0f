# What people do with a stream: send, read, callbacks, marks. Knows the channel under it, no protocol.

import socket

from cpython.bytes cimport PyBytes_FromStringAndSize

from tether.engine.members cimport let_go
from tether.engine.scope cimport OPEN
from tether.stream.buffer cimport Buffer
from tether.stream.limits cimport count
from tether.stream.outcome cimport not_taken, start_draining
from tether.stream.reading cimport start_reading
from tether.stream.taken cimport TAKEN

cdef object KEPT = object()  # a mark that stays as it is


cdef class Stream(Timed):
    """Bytes both ways over a socket, with backpressure both ways.

    `send` takes what it can and says so; reading stops where nobody takes the bytes. Made by
    `tether.connect` and by listeners, never directly.
    """

    def __cinit__(self, *args, **kwargs):
        self.read_low = 1

    @property
    def attempts(self):
        """What `connect` tried in vain before this stream was connected: a tuple of `Attempt`."""
        return self.failed_attempts or ()

    @property
    def tls(self):
        """The `ssl.SSLObject`: version, cipher, certificates, ALPN. None without TLS, before the
        handshake is over and once the stream is closed."""
        return None if self.layer is None else self.layer.ssl_object()

    def send(self, data):
        """Send bytes; returns an outcome that has a truth value and can be awaited.

        True: taken. False: the high mark is reached (awaiting waits for the low mark and then
        takes it) or the stream is closed (nothing is sent; awaiting raises `Closed`).

        Args:
            data: bytes; a `Buffer`, which is empty once it was taken; or anything with the buffer
                protocol (copied).
        """
        self.guard()
        if type(data) is not bytes and type(data) is not Buffer:
            data = bytes(memoryview(data))
        if self.consumer is not None:
            raise RuntimeError("a protocol writes to this stream")
        if self.is_half_closed:
            raise RuntimeError("nothing can be sent after send_eof")
        if not self.can_write():
            return not_taken(self, None, data)
        if self.waiting_bytes() >= self.write_high:
            self.wants_drain = True
            return not_taken(self, None, data)
        if self.is_timed:
            self.note_any()
        self.write_message(data)
        return TAKEN

    def send_file(self, file, offset=0, size=None):
        """Send a part of a regular file, by the system (sendfile) where nothing encrypts it; returns
        what `send` returns.

        Args:
            file: a descriptor or what has one; it may be closed at once, the stream has its own.
            offset: bytes before the part.
            size: bytes; None: the rest of the file.

        Raises:
            ValueError: no regular file, or it is not that long.

        >>> import tempfile, tether
        >>> async def main():
        ...     async def serve(stream):
        ...         with tempfile.TemporaryFile() as file:
        ...             file.write(b"from a file")
        ...             file.flush()
        ...             await stream.send_file(file, offset=5)
        ...     async with tether.listen("127.0.0.1:0", serve) as listener:
        ...         stream = await tether.connect(listener.address)
        ...         return b"".join([data async for data in stream])
        >>> tether.run(main())
        b'a file'
        """
        cdef Buffer part = Buffer()
        part.append_file(file, offset, size)
        return self.send(part)

    def drain(self, mark=None):
        """Awaitable: at most `mark` bytes wait to be sent; the default is the low mark.

        Raises:
            NetworkError: the stream failed meanwhile, with its cause; `Closed` where it had closed.
        """
        self.guard()
        return start_draining(self, self.write_low if mark is None else count(mark, "mark"))

    def send_eof(self):
        """Send the end of file after all that was sent; reading goes on. Over TLS it is the
        goodbye (close_notify, RFC 8446, section 6.1)."""
        self.check()
        if self.consumer is not None:
            raise RuntimeError("a protocol writes to this stream")
        if not self.is_half_closed:
            self.end_sending()

    def read(self, Py_ssize_t limit=65536):
        """Awaitable: up to `limit` bytes as soon as there are any; b"" at the end of file.

        Raises:
            RuntimeError: another task reads already.
            NetworkError: the stream failed, with its cause; `Closed` after an orderly close.
        """
        self.check_reader()
        return start_reading(self, limit, False, None)

    def readexactly(self, Py_ssize_t size):
        """Awaitable: exactly `size` bytes.

        Raises:
            ConnectionClosed: the peer's end of file came first; what came can still be read.
            RuntimeError: another task reads already.
        """
        self.check_reader()
        return start_reading(self, size, True, None)

    def readuntil(self, separator=b"\n", Py_ssize_t limit=65536):
        """Awaitable: all bytes up to the first `separator`, and with it.

        Args:
            separator: the bytes that end it.
            limit: the most bytes that it may be, the separator included.

        Raises:
            ConnectionClosed: the peer's end of file came first; what came can still be read.
            ProtocolError: it would be longer than `limit`; what came can still be read.
            RuntimeError: another task reads already.

        >>> import tether
        >>> async def main():
        ...     async def greet(stream):
        ...         await stream.send(b"220 ready\\r\\nmore")
        ...     async with tether.listen("127.0.0.1:0", greet) as listener:
        ...         stream = await tether.connect(listener.address)
        ...         return await stream.readuntil(b"\\r\\n")
        >>> tether.run(main())
        b'220 ready\\r\\n'
        """
        self.check_reader()
        separator = bytes(separator)
        if not separator:
            raise ValueError("a separator is at least one byte")
        return start_reading(self, limit, True, separator)

    def __aiter__(self):
        return self

    async def __anext__(self):
        """The next bytes, as `read` gives them, until the end of file."""
        data = await self.read()
        if not data:
            raise StopAsyncIteration
        return data

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

    def on_peer_closed(self, callback):
        """Call `callback()` once the peer has closed its side, though nobody reads: at once where
        the poller tells it early (`loop.poller.early_close`), else when its end of file is read."""
        self.check()
        self.peer_closed_callback = callback
        if self.is_hung_up or self.at_eof:
            self.set_alarm(0, TELL_LEFT)
        return callback

    def set_marks(self, *, read_low=KEPT, read_high=KEPT, write_low=KEPT, write_high=KEPT):
        """Watermarks in bytes; None means no limit.

        Args:
            read_low: `on_data` is called when at least so many came, or the end of file (1).
            read_high: no more is taken from the system before somebody takes it (64 KiB).
            write_low: `on_drain` is called, and senders go on, when no more waits (16 KiB).
            write_high: at so many waiting, `send` does not take any more (64 KiB).

        Raises:
            ValueError: a low mark would lie above its high one, or `read_high` is 0.
        """
        cdef Py_ssize_t marks[4]
        self.check()
        marks[0] = self.read_low if read_low is KEPT else count(read_low, "read_low")
        marks[1] = self.read_high if read_high is KEPT else count(read_high, "read_high")
        marks[2] = self.write_low if write_low is KEPT else count(write_low, "write_low")
        marks[3] = self.write_high if write_high is KEPT else count(write_high, "write_high")
        if marks[0] > marks[1] or marks[2] > marks[3]:
            raise ValueError("a low mark lies at its high mark at most")
        if marks[1] == 0:
            raise ValueError("with a read_high of 0 nothing would ever be read")
        self.read_low, self.read_high, self.write_low, self.write_high = marks
        if self.inbox is not None:
            self.set_alarm(0, HAND_ON)
        self.resume()
        if self.wants_drain and self.waiting_bytes() <= self.write_low:
            self.touch()  # the next flush tells it

    @property
    def marks(self):
        """read_low, read_high, write_low, write_high: see `set_marks`."""
        return self.read_low, self.read_high, self.write_low, self.write_high

    @property
    def is_peer_closed(self):
        """Whether the peer is known to have closed its side."""
        return self.is_hung_up or self.at_eof

    def getsockopt(self, level, option):
        """A number that is an option of the socket; see `socket.socket.getsockopt`.

        Raises:
            Closed: the descriptor was released.
            OSError: the system does not know that option.
        """
        return self.own_socket().getsockopt(level, option)

    def setsockopt(self, level, option, value):
        """Set a number that is an option of the socket; raises as `getsockopt` does."""
        self.own_socket().setsockopt(level, option, value)

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
                  handshake_timeout=10.0, shutdown_timeout=5.0, session=None):
        """Begin TLS on this stream; awaitable: the `ssl.SSLObject`, once the handshake is over.

        Args:
            context: an `ssl.SSLContext`: certificates, whom to trust, ALPN.
            server_side: this side has the certificate.
            server_hostname: the name that the peer's certificate has to be for.
            handshake_timeout: seconds for the handshake; None waits for ever.
            shutdown_timeout: seconds that the peer gets, after a close, to say goodbye as well.
            session: the `session` of an earlier `ssl.SSLObject` of this context, to go on with
                where the server agrees: a shorter handshake.

        Raises:
            CertificateError, TLSAlert, TLSError: the handshake failed, and the stream closes.
            ConnectTimeout: the peer was silent; `phase` is "tls".
        """
        from tether.stream.tls import start_tls  # it stands above this file

        return start_tls(self, context, server_side, server_hostname, handshake_timeout,
                         shutdown_timeout, session)

    cdef object own_socket(self):
        if self.descriptor < 0:
            self.check()
            raise OSError("this stream has no socket")
        if self.socket is None:
            self.socket = socket.socket(fileno=self.descriptor)
        return self.socket

    cdef int check_reader(self) except -1:
        self.guard()
        if self.consumer is not None or self.data_callback is not None:
            raise RuntimeError("the bytes of this stream go elsewhere already")
        return 0

    def push(self, filter):
        """Put a `Filter` on this stream, on top of those it has; returns it.

        What was sent before goes out as it is; what came and nobody took yet passes the filter.

        Raises:
            RuntimeError: the filter is on a stream already.
        """
        from tether.stream.filter import push  # it stands above this file

        self.check()
        return push(self, filter)

    def limit_reading(self, limit):
        """Receive no faster than a `RateLimit` allows, in bytes of the wire; None lifts it.

        Returns `limit`. It ends with the stream, and may serve another one then.

        Raises:
            RuntimeError: the limit is in use: streams share a rate through a `RateLimitGroup`.
            ValueError: it was used on another loop.
        """
        from tether.stream.throttle import limit_rate  # it stands above this file

        self.check()
        return limit_rate(self, limit, True)

    def limit_writing(self, limit):
        """Send no faster than a `RateLimit` allows, as `limit_reading` receives. What waits counts
        for the marks; a close has the time that every close has."""
        from tether.stream.throttle import limit_rate

        self.check()
        return limit_rate(self, limit, False)

    cdef Py_ssize_t own_room(self) except -1:
        return max(self.read_high, self.wanted) - (0 if self.inbox is None else len(self.inbox))

    cdef int take(self, char* data, Py_ssize_t size) except -1:
        if self.is_timed:
            self.note_received()
        if self.data_callback is not None and self.inbox is None and size >= self.read_low:
            self.invoke_one(self.data_callback, PyBytes_FromStringAndSize(data, size))
            return 0
        if self.inbox is None:
            self.inbox = bytearray()
        self.inbox.extend(data[:size])
        if self.data_callback is None:
            self.wake_reader()
        elif len(self.inbox) >= self.read_low:
            self.hand_on()
        return 0

    cdef int take_eof(self) except -1:
        self.left()
        if self.inbox and self.data_callback is not None and self.state == OPEN:
            return self.hand_on()
        if self.state != OPEN:
            return 0
        if self.eof_callback is not None:
            self.eof_told = True
            self.invoke(self.eof_callback, ())
        elif self.data_callback is not None:
            self.eof_told = True
            self.start_closing(None)
        else:
            self.wake_reader()
        return 0

    cdef int take_drained(self) except -1:
        if self.drain_callback is not None:
            self.invoke(self.drain_callback, ())
        return 0

    cdef int left(self) except -1:
        if self.peer_closed_callback is not None and not self.left_told:
            self.left_told = True
            self.invoke(self.peer_closed_callback, ())
        return 0

    cdef int on_closing(self) except -1:
        self.wake_reader()
        let_go(self.home, (
            self.data_callback,
            self.eof_callback,
            self.drain_callback,
            self.peer_closed_callback,
        ))
        self.data_callback = self.eof_callback = self.drain_callback = None
        self.peer_closed_callback = None
        return Timed.on_closing(self)

    cdef int on_alarm(self, int kind) except -1:
        if kind == HAND_ON:
            return self.hand_on()
        return self.left() if kind == TELL_LEFT else Timed.on_alarm(self, kind)

    cdef int hand_on(self) except -1:
        # What came before the callbacks were set, or was less than the low mark.
        cdef bytearray inbox = self.inbox
        if self.state != OPEN or self.is_paused:
            return 0
        if inbox is not None and self.data_callback is not None:
            if len(inbox) >= self.read_low or self.at_eof:
                self.inbox = None
                if inbox:
                    self.invoke_one(self.data_callback, bytes(inbox))
        if self.at_eof and not self.eof_told and self.state == OPEN and not self.is_paused:
            return self.end_of_file()
        return self.resume()
