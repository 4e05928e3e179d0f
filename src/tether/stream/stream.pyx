# What people do with a stream: send, read, callbacks. Knows the channel under it, no protocol.

from cpython.bytes cimport PyBytes_FromStringAndSize

from tether.engine.members cimport let_go
from tether.engine.scope cimport OPEN
from tether.engine.waiter cimport Awaiting, Waiter
from tether.stream.outcome cimport not_taken
from tether.stream.taken cimport TAKEN

from tether.errors import ConnectionClosed


cdef class Stream(Channel):
    """Bytes both ways over a socket, with backpressure both ways.

    `send` takes what it can and says so; reading stops where nobody takes the bytes. Made by
    `tether.connect` and by listeners, never directly.
    """

    @property
    def attempts(self):
        """What `connect` tried in vain before this stream was connected: a tuple of `Attempt`."""
        return self.failed_attempts or ()

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

    cdef Py_ssize_t own_room(self) except -1:
        if self.data_callback is not None and self.inbox is not None:
            return 0  # what came before the callback was set comes first
        return self.read_high - (0 if self.inbox is None else len(self.inbox))

    cdef int take(self, char* data, Py_ssize_t size) except -1:
        if self.data_callback is not None:
            self.invoke_one(self.data_callback, PyBytes_FromStringAndSize(data, size))
        else:
            if self.inbox is None:
                self.inbox = bytearray()
            self.inbox.extend(data[:size])
            self.wake_reader()
        return 0

    cdef int take_eof(self) except -1:
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

    cdef int on_closing(self) except -1:
        self.wake_reader()
        let_go(self.home, (self.data_callback, self.eof_callback, self.drain_callback))
        self.data_callback = self.eof_callback = self.drain_callback = None
        return Channel.on_closing(self)

    cdef int on_alarm(self, int kind) except -1:
        return self.hand_on() if kind == HAND_ON else Channel.on_alarm(self, kind)

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
