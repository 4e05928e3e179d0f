# asyncio's transport of a stream. Knows streams and asyncio's protocols, no listener and no TLS.
#
# It keeps asyncio's own rules, not tether's: no reset on `abort`, no `Closed`, errors as `OSError`,
# a failure of the protocol goes to the loop's exception handler, and a close waits for its flush
# as long as that takes.

import asyncio
import logging
import os
import socket
import sys
from asyncio import constants, transports, trsock

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from libc.string cimport memcpy

from tether.engine.poller cimport WRITE, rearm
from tether.engine.scope cimport CLOSING, OPEN
from tether.stream.names cimport socket_name
from tether.stream.channel cimport FLUSH_DEADLINE, LONG_OUTPUT

from tether.errors import NetworkError

cdef extern from "Python.h":
    object PyObject_CallOneArg(object callable, object argument)
    object PyObject_CallNoArgs(object callable)

cdef object log = logging.getLogger("asyncio")
cdef object BufferedProtocol = asyncio.BufferedProtocol
cdef Py_ssize_t MANY_REFUSED = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES


class _Face(transports._FlowControlMixin, transports.Transport):
    # What `isinstance` sees: a native class cannot inherit from one that has slots of its own.
    pass


cdef class SocketTransport(Consumer):
    """asyncio's transport over a stream; see `asyncio.Transport` for what its methods do."""

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE

    def __init__(self):
        raise TypeError("transports are made by the loop's create_connection and create_server")

    @property
    def __class__(self):
        return _Face

    def get_extra_info(self, name, default=None):
        """See `asyncio.BaseTransport.get_extra_info`."""
        if self.extra is None or name not in self.extra:
            if name in ("socket", "sockname", "peername"):
                self.learn(name)
        return default if self.extra is None else self.extra.get(name, default)

    def set_protocol(self, protocol):
        """See `asyncio.BaseTransport.set_protocol`."""
        self.protocol = protocol
        self.is_buffered = isinstance(protocol, BufferedProtocol)
        self.data_received = None if self.is_buffered else protocol.data_received

    def get_protocol(self):
        """See `asyncio.BaseTransport.get_protocol`."""
        return self.protocol

    def is_closing(self):
        """See `asyncio.BaseTransport.is_closing`."""
        # Where sending failed the close is on its way: who asks in a loop shall let it come.
        return self.state != OPEN or self.stream.send_errno != 0

    def close(self):
        """See `asyncio.BaseTransport.close`."""
        self.start_closing(None)

    def abort(self):
        """See `asyncio.WriteTransport.abort`. What the system takes at once still leaves."""
        if self.state == OPEN and self.stream.output is not None and not self.is_writing_paused:
            self.stream.flush()
        self.start_abort(None)

    def is_reading(self):
        """See `asyncio.ReadTransport.is_reading`."""
        return self.state == OPEN and not self.is_pausing

    def pause_reading(self):
        """See `asyncio.ReadTransport.pause_reading`."""
        self.is_pausing = True

    def resume_reading(self):
        """See `asyncio.ReadTransport.resume_reading`."""
        if self.state == OPEN and self.is_pausing:
            self.is_pausing = False
            self.stream.resume()

    def write(self, data):
        """See `asyncio.WriteTransport.write`. What is written in one pass leaves together."""
        cdef Channel stream = self.stream
        cdef Py_buffer view
        if type(data) is not bytes and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self.is_half_closed:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.emptiness is not None:
            raise RuntimeError("unable to write; sendfile is in progress")
        if not len(data):
            return
        if not stream.can_write() or self.state != OPEN:
            self.refuse()
            return
        if type(data) is bytes:
            stream.write_bytes(data)
        else:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            try:
                stream.write(<const char*>view.buf, view.len)
            finally:
                PyBuffer_Release(&view)
        self.after_write()

    def writelines(self, list_of_data):
        """See `asyncio.WriteTransport.writelines`."""
        for data in list_of_data:
            self.write(data)

    def can_write_eof(self):
        """See `asyncio.WriteTransport.can_write_eof`."""
        return True

    def write_eof(self):
        """See `asyncio.WriteTransport.write_eof`."""
        if self.state == OPEN and not self.is_half_closed:
            self.is_half_closed = True
            self.stream.end_sending()

    def get_write_buffer_size(self):
        """See `asyncio.WriteTransport.get_write_buffer_size`."""
        return 0 if self.stream is None else self.stream.waiting_bytes()

    def get_write_buffer_limits(self):
        """See `asyncio.WriteTransport.get_write_buffer_limits`."""
        return self.low, self.high

    def set_write_buffer_limits(self, high=None, low=None):
        """See `asyncio.WriteTransport.set_write_buffer_limits`."""
        if high is None:
            high = 64 * 1024 if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high = high
        self.low = low
        if self.stream is not None:
            self.stream.write_low = low
            self.after_write()

    # The standard library's own fallbacks for `sendfile` and `start_tls` ask for these two.

    @property
    def _protocol_paused(self):
        return self.is_writing_paused

    @property
    def _loop(self):
        return self.engine

    def emptied(self):
        """A future that is done when all is sent; until `release_writes` nobody may write."""
        if self.emptiness is not None:
            raise RuntimeError("Empty waiter is already set")
        return self.wait_for_room(False)

    def next_room(self):
        """A future that is done when the socket, which somebody filled, has room again."""
        return self.wait_for_room(True)

    cdef object wait_for_room(self, bint is_full):
        self.emptiness = self.engine.create_future()
        if not self.stream.can_write():
            self.emptiness.set_exception(ConnectionError("Connection is closed by peer"))
            return self.emptiness
        if is_full:
            self.stream.is_blocked = True
            rearm(self.stream.home.poller_, self.stream.descriptor, WRITE)
        if self.stream.output is None and not self.stream.is_blocked:
            self.emptiness.set_result(None)
        else:
            self.stream.wants_room = True
        return self.emptiness

    def release_writes(self):
        """Writing is allowed again."""
        self.emptiness = None

    def fileno(self):
        """The descriptor, -1 once it was released."""
        return -1 if self.stream is None else self.stream.descriptor

    def describe(self):
        """What `tree` says beside the name."""
        return type(self.protocol).__name__

    def __repr__(self):
        state = ("", " closing", " closed")[self.state]
        reads = "polling" if self.is_reading() and self.is_begun else "idle"
        waiting = self.get_write_buffer_size()
        writes = "polling" if waiting else "idle"
        return (
            f"<{type(self).__name__}{state} fd={self.fileno()} read={reads} "
            f"write=<{writes}, bufsize={waiting}>>"
        )

    cdef int learn(self, object name) except -1:
        # What the system knows of the socket, as extra information.
        cdef Channel stream = self.stream
        if self.extra is None:
            self.extra = {}
        if name == "peername":
            self.extra[name] = socket_name(stream.address)
        elif name == "sockname":
            self.extra[name] = socket_name(self.local)
        elif stream.descriptor >= 0:
            if stream.socket is None:
                stream.socket = socket.socket(fileno=stream.descriptor)
            self.extra[name] = trsock.TransportSocket(stream.socket)
        return 0

    cdef int refuse(self) except -1:
        # Nobody takes what is written to a lost connection; who does not stop is told of it.
        self.refused_writes += 1
        if self.refused_writes >= MANY_REFUSED:
            log.warning("socket.send() raised exception.")
        return 0

    cdef int after_write(self) except -1:
        cdef Channel stream = self.stream
        # A long output leaves now, as asyncio would have it; but not while the protocol waits for
        # its `resume_writing`, which must not come from inside of `write`.
        if stream.output is not None and stream.output.size >= LONG_OUTPUT:
            if not self.is_writing_paused:
                stream.flush()
        if stream.waiting_bytes() > self.high and not self.is_writing_paused:
            self.is_writing_paused = True
            stream.wants_drain = True
            try:
                self.protocol.pause_writing()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.tell("protocol.pause_writing() failed", error)
        return 0

    cdef int drained(self) except -1:
        if self.is_writing_paused:
            self.is_writing_paused = False
            self.engine.depth += 1
            try:
                PyContext_Enter(self.context)
                try:
                    self.protocol.resume_writing()
                finally:
                    PyContext_Exit(self.context)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.tell("protocol.resume_writing() failed", error)
            finally:
                self.engine.depth -= 1
        return 0

    cdef int has_room(self) except -1:
        if self.emptiness is not None and not self.emptiness.done():
            self.emptiness.set_result(None)
        return 0

    cdef int tell(self, str message, object error) except -1:
        # A failure of the protocol, to the loop's exception handler.
        self.engine.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self.protocol}
        )
        return 0

    cdef int begin(self) except -1:
        # The protocol is told of the connection; only then it is read, only then who waits wakes.
        self.engine.call_soon(self.protocol.connection_made, self, context=self.context)
        self.engine.ready.push(begun(self))
        return 0

    cdef Py_ssize_t room(self) except -1:
        if not self.is_begun or self.is_pausing:
            return 0
        return self.stream.home.receive_size

    cdef Py_ssize_t target(self, char** where) except -1:
        if not self.is_buffered or not self.borrow():
            return 0
        where[0] = <char*>self.view.buf
        return self.view.len

    cdef int filled(self, Py_ssize_t size) except -1:
        return self.give_back(size)

    cdef int unfilled(self) except -1:
        return self.give_back(0)

    cdef int borrow(self) except -1:
        # Memory of the protocol to receive into; 0 where it has none to give, which is its end.
        cdef object memory
        self.engine.depth += 1
        try:
            PyContext_Enter(self.context)
            try:
                memory = self.protocol.get_buffer(-1)
            finally:
                PyContext_Exit(self.context)
            PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
            self.has_view = True
            if self.view.len == 0:
                raise RuntimeError("get_buffer() returned an empty buffer")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.give_back(0)
            self.fatal_error(error, "Fatal error: protocol.get_buffer() call failed.")
            return 0
        finally:
            self.engine.depth -= 1
        return 1

    cdef int give_back(self, Py_ssize_t size) except -1:
        if self.has_view:
            self.has_view = False
            PyBuffer_Release(&self.view)
        if size and self.state == OPEN:
            self.call(
                self.protocol.buffer_updated,
                size,
                "Fatal error: protocol.buffer_updated() call failed.",
            )
        return 0

    cdef int feed(self, char* data, Py_ssize_t size) except -1:
        if self.state != OPEN:
            return 0
        if self.is_buffered:
            return self.take_bytes(data, size)
        self.call(
            self.data_received,
            PyBytes_FromStringAndSize(data, size),
            "Fatal error: protocol.data_received() call failed.",
        )
        return 0

    cdef int take_bytes(self, char* data, Py_ssize_t size) except -1:
        # What did not go straight into the memory of a buffered protocol.
        cdef Py_ssize_t part
        while size and self.state == OPEN:
            if not self.is_buffered:
                return self.feed(data, size)
            if not self.borrow():
                return 0
            part = min(size, self.view.len)
            memcpy(self.view.buf, data, part)
            data += part
            size -= part
            self.give_back(part)
        return 0

    cdef int eof(self) except -1:
        cdef object keeps_open = None
        if self.state != OPEN:
            return 0
        self.engine.depth += 1
        try:
            PyContext_Enter(self.context)
            try:
                keeps_open = PyObject_CallNoArgs(self.protocol.eof_received)
            finally:
                PyContext_Exit(self.context)
            if not keeps_open:
                self.start_closing(None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fatal_error(error, "Fatal error: protocol.eof_received() call failed.")
        finally:
            self.engine.depth -= 1
        return 0

    cdef bint call(self, object callback, object argument, str message) except -1:
        # A method of the protocol, in the context that the connection began in.
        self.engine.depth += 1
        try:
            PyContext_Enter(self.context)
            try:
                PyObject_CallOneArg(callback, argument)
            finally:
                PyContext_Exit(self.context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fatal_error(error, message)
        finally:
            self.engine.depth -= 1
        return 0

    cdef int fatal_error(self, object error, str message) except -1:
        if isinstance(error, OSError):
            if (<Engine>self.engine)._debug:
                log.debug("%r: %s", self, message, exc_info=error)
        else:
            self.tell(message, error)
        return self.start_abort(error)

    cdef int end(self, object cause) except -1:
        # Its owner ends: then the flush has no more time than the owner gives.
        cdef Channel stream = self.stream
        if stream is not None and stream.linger_time < 0 and self.owner is not None:
            stream.linger_time = self.owner.linger_time
            if stream.is_finishing and stream.finish_alarm is None and stream.linger_time >= 0:
                stream.sent_before = stream.sent
                stream.finish_alarm = stream.set_alarm(stream.linger_time, FLUSH_DEADLINE)
        return self.start_closing(cause)

    cdef int lost(self, object cause) except -1:
        return self.start_closing(cause)

    cdef int on_finish(self) except -1:
        # In one step where nothing waits to be sent: asyncio's users expect it in the next pass.
        cdef Channel stream = self.stream
        cdef bint is_ours = stream is not None and stream.owner is self
        if is_ours:
            stream.is_queued = True  # run here, and not left in the queue of a loop that stops
        Consumer.on_finish(self)
        if is_ours:
            stream.run()
        return 0

    cdef int on_closed(self) except -1:
        cdef object protocol = self.protocol, server = self.server, waiter = self.waiter
        cdef object error = as_asyncio(self.cause)
        self.protocol = None
        self.data_received = None
        self.server = None
        self.waiter = None
        if error is None and self.stream is not None:
            error = as_asyncio(self.stream.cause)
        if protocol is None or (<Engine>self.engine).is_ending:
            return 0  # asyncio's loops close without a word to the protocols
        if self.emptiness is not None and not self.emptiness.done():
            self.emptiness.set_exception(ConnectionError("Connection is closed by peer"))
        try:
            PyContext_Enter(self.context)
            try:
                protocol.connection_lost(error)
            finally:
                PyContext_Exit(self.context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as failure:
            self.protocol = protocol
            self.tell(f"Exception in callback {protocol.connection_lost!r}", failure)
            self.protocol = None
        finally:
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
            if server is not None:
                server._detach(self) if sys.version_info >= (3, 13) else server._detach()
        return 0


cdef class Begun(Work):
    # After `connection_made` whoever waits for the connection wakes; reading starts after him.

    cdef int run(self) except -1:
        cdef SocketTransport transport = self.transport
        cdef object waiter = transport.waiter
        if waiter is not None:
            transport.waiter = None
            if not waiter.done():
                waiter.set_result(None)
                transport.engine.ready.push(self)
                return 0
        transport.is_begun = True
        if transport.state == OPEN:
            transport.stream.resume()
        return 0


cdef Begun begun(SocketTransport transport):
    cdef Begun work = Begun.__new__(Begun)
    work.transport = transport
    return work


cdef object as_asyncio(object cause):
    # asyncio's protocols know the system's errors by their own classes.
    if isinstance(cause, NetworkError) and not isinstance(cause, OSError):
        if cause.errno is None:
            return ConnectionError(str(cause))
        error = OSError(cause.errno, os.strerror(cause.errno))
        error.__cause__ = cause
        return error
    return cause
