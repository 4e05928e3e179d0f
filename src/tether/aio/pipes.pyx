# asyncio's pipe transports on the poller: FIFOs, sockets and character devices, one way each. Knows
# what waits to be sent as bytes, no stream and no process.

import asyncio
import logging
import os
import stat

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from libc.errno cimport EAGAIN, EINTR, EIO, errno
from libc.stdint cimport uint32_t
from posix.unistd cimport read

from tether.aio.endpoint cimport Endpoint, WritingEndpoint, os_error
from tether.engine.poller cimport CLOSED_BY_PEER, HANGUP, READ, WRITE
from tether.engine.scope cimport OPEN
from tether.stream.output cimport give_output, take_output

cdef object log = logging.getLogger("asyncio")


cdef class ReadPipeTransport(Endpoint):
    """What `loop.connect_read_pipe` returns: an `asyncio.ReadTransport`.

    Args:
        loop: the loop that serves it.
        pipe: a file object or socket; it is made non-blocking, and the transport closes it.
        protocol: who is told.
        waiter: a future that is done once reading has begun.
        extra: a dictionary that `get_extra_info` reads too.

    Raises:
        ValueError: it is neither a pipe nor a socket nor a character device.
    """

    def __init__(self, loop, pipe, protocol, waiter=None, extra=None):
        descriptor = pipe.fileno()
        if not kind_of(descriptor):
            raise ValueError("Pipe transport is for pipes/sockets only.")
        os.set_blocking(descriptor, False)
        self.extra = {} if extra is None else extra
        self.extra["pipe"] = pipe
        self.begin(loop, pipe, descriptor, protocol, waiter)

    @property
    def __class__(self):
        return asyncio.ReadTransport

    cdef int serve(self, uint32_t what) except -1:
        cdef ssize_t size
        cdef object context = self.context
        if not self.is_reading():
            return 0
        size = read(self.descriptor, self.home.receive, self.home.receive_size)
        if size == 0:
            return self.end_of_file()
        if size < 0:
            if errno != EAGAIN and errno != EINTR:
                read_failed(self, errno)
            return 0
        data = PyBytes_FromStringAndSize(self.home.receive, size)
        self.engine.depth += 1
        try:
            PyContext_Enter(context)
            try:
                self.protocol.data_received(data)
            finally:
                PyContext_Exit(context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.report_failure("Exception in callback data_received()", error)
        finally:
            self.engine.depth -= 1
        return 0

    cdef int end_of_file(self) except -1:
        if self.home._debug:
            log.info("%r was closed by peer", self)
        # In the next pass, and then the end: as asyncio has it.
        self.home.call_soon(self.protocol.eof_received, context=self.context)
        return self.start_closing(None)


cdef class WritePipeTransport(WritingEndpoint):
    """What `loop.connect_write_pipe` returns: an `asyncio.WriteTransport`.

    It ends by itself when the reading end of a pipe or a socket is closed.

    Args:
        loop: the loop that serves it.
        pipe: a file object or socket; it is made non-blocking, and the transport closes it.
        protocol: who is told.
        waiter: a future that is done once the transport is ready.
        extra: a dictionary that `get_extra_info` reads too.

    Raises:
        ValueError: it is neither a pipe nor a socket nor a character device.
    """

    def __init__(self, loop, pipe, protocol, waiter=None, extra=None):
        descriptor = pipe.fileno()
        kind = kind_of(descriptor)
        if not kind:
            raise ValueError("Pipe transport is only for pipes, sockets and character devices")
        os.set_blocking(descriptor, False)
        self.extra = {} if extra is None else extra
        self.extra["pipe"] = pipe
        self.watches_reader = kind != stat.S_IFCHR
        self.begin(loop, pipe, descriptor, protocol, waiter)

    @property
    def __class__(self):
        return asyncio.Transport  # asyncio's own is one, too

    def write(self, data):
        """Write bytes, at once where there is room; the rest waits.

        Args:
            data: bytes, bytearray or memoryview.

        Raises:
            TypeError: `data` is something else.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if not data:
            return
        if self.state != OPEN or self.lost_writes:
            self.warn_lost_write()
            return
        if self.output is None:
            self.output = take_output()
        self.output.append_bytes(data if type(data) is bytes else bytes(data))
        self.waiting = self.output.size
        if not self.is_blocked:
            self.send()
        self.pause_protocol()

    def writelines(self, list_of_data):
        """Write several pieces, one after another."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self):
        """True: closing is the end of file."""
        return True

    def write_eof(self):
        """The same as `close`."""
        self.close()

    cdef uint32_t wanted(self) noexcept:
        cdef uint32_t wanted = WRITE if self.is_blocked else 0
        if self.watches_reader and self.is_started and (self.state == OPEN or self.is_blocked):
            wanted |= CLOSED_BY_PEER if self.home.poller_.early_close else READ
        return wanted

    cdef int serve(self, uint32_t what) except -1:
        if self.watches_reader and what & ~<uint32_t>WRITE:
            if self.home._debug:
                log.info("%r was closed by peer", self)
            return self.fail(BrokenPipeError() if self.has_output() else None)
        if self.is_blocked:
            self.send()
            if self.is_blocked or self.is_aborting:
                return 0
            self.resume_protocol()  # may write more
            if self.is_finishing and not self.is_blocked:
                self.release()
        return 0

    cdef int send(self) except -1:
        # What the pipe takes now; the rest when the poller says that there is room.
        cdef bint was_blocked = self.is_blocked
        self.is_blocked = False
        while self.output.size:
            if self.output.write(self.descriptor) >= 0:
                continue
            if errno == EAGAIN:
                self.is_blocked = True
                break
            if errno != EINTR:
                return write_failed(self, errno)
        self.waiting = self.output.size
        if not self.waiting:
            give_output(self.output)
            self.output = None
        if self.is_blocked != was_blocked:
            self.apply_interest()
        return 0

    cdef int drop_output(self) except -1:
        self.output = None
        self.waiting = 0
        return 0


cdef int kind_of(int descriptor) except -1:
    # The file type where a pipe transport can be made of it, else 0.
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    return kind if kind in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR) else 0


cdef int read_failed(ReadPipeTransport transport, int number) except -1:
    # EIO is how a terminal says that its other side was closed; the rest is news.
    error = os_error(number)
    if number != EIO:
        transport.report_failure("Fatal read error on pipe transport", error)
    elif transport.home._debug:
        log.debug("%r: %s", transport, error)
    return transport.fail(error)


cdef int write_failed(WritePipeTransport transport, int number) except -1:
    return transport.fatal(os_error(number), "Fatal write error on pipe transport")
