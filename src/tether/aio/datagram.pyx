# asyncio's datagram transport on the poller. Knows sockets and their addresses, no stream.
#
# How many datagrams one event takes follows the load: one while they come singly, so that no system
# call finds the socket empty, and up to 64 in a row while more are waiting.

import asyncio
import collections
import sys
from asyncio import trsock

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint32_t
from libc.string cimport memcmp

from tether.aio.endpoint cimport WritingEndpoint, os_error
from tether.aio.sockaddr cimport (
    Address,
    from_sockaddr,
    knows_family,
    sockaddr,
    socklen_t,
    to_sockaddr,
)
from tether.engine.poller cimport HANGUP, READ, WRITE
from tether.engine.scope cimport CLOSED

cdef extern from "<sys/socket.h>" nogil:
    ssize_t c_recvfrom "recvfrom" (
        int fd, void* data, size_t size, int flags, sockaddr* address, socklen_t* length)
    ssize_t c_sendto "sendto" (
        int fd, const void* data, size_t size, int flags, const sockaddr* address, socklen_t length)
    enum:
        MSG_NOSIGNAL

cdef enum:
    LARGEST_BURST = 64

# Since 3.13 an empty datagram is sent, and each one that waits counts with a header.
cdef bint SENDS_EMPTY = sys.version_info >= (3, 13)
cdef Py_ssize_t HEADER = 8 if sys.version_info >= (3, 13) else 0


class _Face(asyncio.Transport, asyncio.DatagramTransport):
    # What the transport says it is: asyncio's own is both.
    pass


cdef class DatagramTransport(WritingEndpoint):
    """What `loop.create_datagram_endpoint` returns: an `asyncio.DatagramTransport`.

    Args:
        loop: the loop that serves it.
        sock: a non-blocking datagram socket; the transport closes it.
        protocol: who is told.
        address: the only one that may be sent to, None where each send names its own.
        waiter: a future that is done once reading has begun.
        extra: a dictionary that `get_extra_info` reads too.
    """

    def __init__(self, loop, sock, protocol, address=None, waiter=None, extra=None):
        self.extra = {} if extra is None else extra
        self.extra["socket"] = trsock.TransportSocket(sock)
        self.extra["sockname"] = name_of(sock.getsockname)
        if "peername" not in self.extra:
            self.extra["peername"] = name_of(sock.getpeername)
        self.is_connected = bool(self.extra["peername"])
        self.family = sock.family
        self.is_native = knows_family(self.family)
        self.address = address
        self.burst = 1
        self.begin(loop, sock, sock.fileno(), protocol, waiter)
        loop._transports[self.descriptor] = self

    @property
    def __class__(self):
        return _Face

    def sendto(self, data, addr=None):
        """Send one datagram, at once where there is room, else as soon as there is.

        Args:
            data: bytes, bytearray or memoryview.
            addr: whom to; None for the address the transport was made with.

        Raises:
            TypeError: `data` is something else.
            ValueError: `addr` is not the address the transport was made with.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if not SENDS_EMPTY and not data:
            return
        if self.address:
            if addr is not None and addr != self.address:
                raise ValueError(f"Invalid address: must be None or {self.address}")
            addr = self.address
        if self.state == CLOSED or (self.lost_writes and self.address):
            self.warn_lost_write()
            return
        if not self.queue:
            try:
                if self.send_one(data, addr):
                    return
            except OSError as error:
                self.protocol.error_received(error)
                return
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                self.fatal(error, "Fatal write error on datagram transport")
                return
            if self.queue is None:
                self.queue = collections.deque()
            self.is_blocked = True
            self.apply_interest()
        kept = bytes(data)
        self.queue.append((kept, addr))
        self.waiting += len(kept) + HEADER
        self.pause_protocol()

    cdef int serve(self, uint32_t what) except -1:
        if what & (WRITE | HANGUP) and self.is_blocked:
            self.send_queued()
        if what & (READ | HANGUP) and self.is_reading():
            return self.receive()
        return 0

    cdef int receive(self) except -1:
        cdef int left = self.burst
        while left:
            left -= 1
            if not self.receive_one():
                self.burst = max(1, self.burst // 2)
                return 0
            if not self.is_reading():
                return 0
        self.burst = min(self.burst * 2, <int>LARGEST_BURST)
        return 0

    cdef int receive_one(self) except -1:
        # One datagram, or one error that the network reported; 0 where nothing is there.
        cdef Address raw
        cdef ssize_t size
        if not self.is_native:
            return receive_foreign(self)
        raw.size = sizeof(raw.raw)
        size = c_recvfrom(
            self.descriptor, self.home.receive, self.home.receive_size, 0,
            <sockaddr*>&raw.raw, &raw.size,
        )
        if size >= 0:
            self.hand_over(PyBytes_FromStringAndSize(self.home.receive, size), self.sender_name(&raw))
        elif errno == EAGAIN or errno == EINTR:
            return 0
        else:
            self.error_came(os_error(errno))
        return 1

    cdef int hand_over(self, object data, object address) except -1:
        cdef object context = self.context
        self.engine.depth += 1
        try:
            PyContext_Enter(context)
            try:
                self.protocol.datagram_received(data, address)
            finally:
                PyContext_Exit(context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.report_failure("Exception in callback datagram_received()", error)
        finally:
            self.engine.depth -= 1
        return 0

    cdef int error_came(self, object error) except -1:
        return self.tell("error_received", (error,))

    cdef object sender_name(self, Address* raw):
        # Mostly the one who sent last sends again.
        if (
            self.sender is None
            or raw.size != self.sender_raw.size
            or memcmp(&raw.raw, &self.sender_raw.raw, raw.size) != 0
        ):
            self.sender = from_sockaddr(raw)
            self.sender_raw = raw[0]
        return self.sender

    cdef bint send_one(self, object data, object address) except -1:
        # True: the system took it. False: there is no room now.
        cdef Py_buffer view
        cdef ssize_t taken
        cdef int number
        cdef Address* raw = NULL
        if not self.is_connected:
            if address is self.sender and address is not None:
                raw = &self.sender_raw
            elif address is self.receiver and address is not None:
                raw = &self.receiver_raw
            else:
                self.receiver = None
                if not self.is_native or not to_sockaddr(self.family, address, &self.receiver_raw):
                    return send_foreign(self, data, address)
                self.receiver = address
                raw = &self.receiver_raw
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        taken = c_sendto(
            self.descriptor, view.buf, view.len, MSG_NOSIGNAL,
            NULL if raw == NULL else <sockaddr*>&raw.raw, 0 if raw == NULL else raw.size,
        )
        number = errno
        PyBuffer_Release(&view)
        if taken >= 0:
            return True
        if number == EAGAIN or number == EINTR:
            return False
        raise os_error(number)

    cdef int send_queued(self) except -1:
        while self.queue:
            data, address = self.queue[0]
            try:
                if not self.send_one(data, address):
                    break
            except OSError as error:
                self.drop_first(data)
                self.error_came(error)
                continue
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                return self.fatal(error, "Fatal write error on datagram transport")
            self.drop_first(data)
        self.resume_protocol()  # may send more
        if not self.queue and self.is_blocked:
            self.is_blocked = False
            self.apply_interest()
            if self.is_finishing:
                self.release()
        return 0

    cdef int drop_first(self, bytes data) except -1:
        if self.queue:  # the protocol may have aborted meanwhile
            self.queue.popleft()
            self.waiting -= PyBytes_GET_SIZE(data) + HEADER
        return 0

    cdef bint has_output(self) noexcept:
        return self.is_blocked  # an empty datagram waits too, and has no bytes

    cdef int drop_output(self) except -1:
        self.queue = None
        self.waiting = 0
        return 0


cdef object name_of(object ask):
    try:
        return ask()
    except OSError:
        return None


cdef int receive_foreign(DatagramTransport transport) except -1:
    # Families whose addresses only the socket module knows.
    try:
        data, address = transport.resource.recvfrom(transport.home.receive_size)
    except (BlockingIOError, InterruptedError):
        return 0
    except OSError as error:
        transport.error_came(error)
    else:
        transport.hand_over(data, address)
    return 1


cdef bint send_foreign(DatagramTransport transport, object data, object address) except -1:
    try:
        transport.resource.sendto(data, address)
    except (BlockingIOError, InterruptedError):
        return False
    return True
