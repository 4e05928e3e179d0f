# asyncio's transport under TLS. Knows streams, layers and asyncio's rules for both.
#
# What differs from TCP: the protocol hears of the connection after the handshake, and not at all
# where that fails; nobody can half-close; the peer's goodbye is waited for, with a deadline.

import logging
import ssl
import sys
from asyncio import constants, transports

from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from libc.string cimport memcpy

from tether.aio.opening cimport connect_transport, prepare
from tether.aio.transport cimport begun
from tether.engine.scope cimport CLOSED, OPEN
from tether.stream.tls cimport READY, SHAKING, Deadline

from tether.errors import TLSError

cdef object log = logging.getLogger("asyncio")
cdef Py_ssize_t MANY_REFUSED = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES


cdef class TransportTls(Tls):
    # TLS by asyncio's rules: plain `ssl` errors, an end without goodbye is an end.

    cdef int established(self) except -1:
        return self.transport.established()

    cdef int late(self) except -1:
        if self.phase == SHAKING:
            return self.stream.start_abort(
                ConnectionAbortedError(
                    f"SSL handshake is taking longer than {self.handshake_time:g} seconds: "
                    "aborting the connection"
                )
            )
        if self.stream.cause is None:
            self.stream.cause = TimeoutError("SSL shutdown timed out")
        return self.stream.start_abort(self.stream.cause)

    cdef int closing(self) except -1:
        Tls.closing(self)
        if self.phase == READY and self.deadline is None:
            # From here it takes so long at most: the flush, our goodbye and the peer's.
            self.deadline = Deadline.__new__(Deadline)
            self.deadline.layer = self
            self.stream.engine.timers.push(
                self.stream.engine.clock() + self.shutdown_time, self.deadline
            )
        return 0

    cdef int truncated(self) except -1:
        return 0

    cdef object cause_of(self, object error, str phase):
        if phase != "tls":
            self.transport.log_failure("Fatal error on SSL protocol", error)
        elif isinstance(error, ssl.CertificateError):
            self.transport.log_failure(
                "SSL handshake failed on verifying the certificate", error
            )
        else:
            self.transport.log_failure("SSL handshake failed", error)
        if type(error) is TLSError:
            # The peer left: asyncio says so by the system's class.
            if error.errno is None:
                return ConnectionResetError()
            return ConnectionResetError(error.errno, error.reason)
        return error


class _SSLFace(transports._FlowControlMixin, transports.Transport):
    # What `isinstance` sees, as of the transport without TLS; asyncio's own has SSL in its name.
    pass


cdef class TlsTransport(SocketTransport):
    """asyncio's transport over a stream under TLS."""

    _sendfile_compatible = constants._SendfileMode.FALLBACK

    @property
    def __class__(self):
        return _SSLFace

    def close(self):
        """See `asyncio.BaseTransport.close`."""
        if self.is_established:
            self.start_closing(None)
        else:
            self.start_abort(None)  # there is nothing to flush, and nobody to say goodbye to

    def can_write_eof(self):
        """See `asyncio.WriteTransport.can_write_eof`: TLS has no such thing."""
        return False

    def write_eof(self):
        """See `asyncio.WriteTransport.write_eof`."""
        raise NotImplementedError

    def set_write_buffer_limits(self, high=None, low=None):
        """See `asyncio.WriteTransport.set_write_buffer_limits`."""
        if high is None and low is None:
            high = constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE * 1024
        SocketTransport.set_write_buffer_limits(self, high, low)

    def log_failure(self, message, error):
        """As asyncio does: the network's failures in debug mode only."""
        if not isinstance(error, OSError):
            self.tell(message, error)
        elif (<Engine>self.engine)._debug:
            log.debug("%r: %s", self, message, exc_info=error)

    cdef int shake_hands(self, object context, bint server_side, object hostname) except -1:
        # The stream is there; what of the handshake comes first is sent in this pass.
        if context is None or context is True:
            context = default_context(server_side, hostname)
        self.tls = TransportTls.__new__(TransportTls)
        self.tls.transport = self
        if self.extra is None:
            self.extra = {}
        self.extra["sslcontext"] = context
        self.high = constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE * 1024
        self.low = self.high // 4
        self.stream.write_low = self.low
        self.tls.begin(
            self.stream,
            context,
            server_side,
            hostname if hostname and not server_side else None,
            self.handshake_time,
            self.shutdown_time,
        )
        self.stream.drain_time = self.shutdown_time + 1  # the deadline comes before it
        return 0

    cdef int established(self) except -1:
        cdef object ssl_object = self.tls.session.ssl_object
        self.extra.update(
            peercert=ssl_object.getpeercert(),
            cipher=ssl_object.cipher(),
            compression=ssl_object.compression(),
            ssl_object=ssl_object,
        )
        self.is_established = True
        if not self.is_upgrade:
            self.engine.depth += 1
            try:
                PyContext_Enter(self.context)
                try:
                    self.protocol.connection_made(self)
                finally:
                    PyContext_Exit(self.context)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.fatal_error(error, "Fatal error: protocol.connection_made() call failed.")
            finally:
                self.engine.depth -= 1
        # Where nobody waits, what came with the handshake is read at once.
        return begun(self).run()

    cdef int wake(self, object error) except -1:
        cdef object waiter = self.waiter
        self.waiter = None
        if waiter is not None and not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        elif waiter is None and error is not None and (<Engine>self.engine)._debug:
            # A server's connection: nobody waits for it.
            self.tell("Error on transport creation for incoming connection", error)
        return 0

    cdef int on_closing(self) except -1:
        # Who waits for the handshake hears at once that it failed; the peer may take its time.
        return 0 if self.is_established else self.wake(self.cause)

    cdef int eof(self) except -1:
        cdef object keeps_open = None
        if self.state != OPEN:
            return 0
        self.engine.depth += 1
        try:
            PyContext_Enter(self.context)
            try:
                keeps_open = self.protocol.eof_received()
            finally:
                PyContext_Exit(self.context)
            if keeps_open:
                log.warning("returning true from eof_received() has no effect when using ssl")
            self.start_closing(None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fatal_error(error, "Error calling eof_received()")
        finally:
            self.engine.depth -= 1
        return 0

    cdef int refuse(self) except -1:
        if self.refused_writes >= MANY_REFUSED:
            log.warning("SSL connection is closed")
        self.refused_writes += 1
        return 0

    cdef int on_closed(self) except -1:
        cdef object server = self.server
        if self.tls is not None:
            # Who holds whom is undone here, so that contexts and certificates go at once.
            self.tls.drop_deadline()
            self.tls.transport = None
            self.tls = None
        if self.stream is not None and self.stream.state == CLOSED:
            self.stream.consumer = None
        if self.is_established:
            return SocketTransport.on_closed(self)
        # The protocol never heard of the connection.
        self.protocol = None
        self.data_received = None
        self.server = None
        if server is not None:
            server._detach(self) if sys.version_info >= (3, 13) else server._detach()
        return 0


cdef object default_context(bint server_side, object hostname):
    if server_side:
        raise ValueError("Server side SSL needs a valid SSLContext")
    context = ssl.create_default_context()
    if not hostname:
        context.check_hostname = False
    return context


cdef double seconds_of(object value, double default, str name) except -1:
    if value is None:
        return default
    if value <= 0:
        raise ValueError(f"{name} should be a positive number, got {value}")
    return value


cdef TlsTransport new_transport(object handshake_timeout, object shutdown_timeout):
    cdef TlsTransport transport = TlsTransport.__new__(TlsTransport)
    transport.handshake_time = seconds_of(
        handshake_timeout, constants.SSL_HANDSHAKE_TIMEOUT, "ssl_handshake_timeout"
    )
    transport.shutdown_time = seconds_of(
        shutdown_timeout, constants.SSL_SHUTDOWN_TIMEOUT, "ssl_shutdown_timeout"
    )
    return transport


def open_tls_transport(
    Engine engine,
    sock,
    protocol,
    context,
    waiter=None,
    *,
    server_side=False,
    server_hostname=None,
    extra=None,
    server=None,
    handshake_timeout=None,
    shutdown_timeout=None,
):
    """A transport over a connected, non-blocking socket, its handshake begun."""
    cdef TlsTransport transport = new_transport(handshake_timeout, shutdown_timeout)
    connect_transport(transport, engine, sock, protocol, extra, server)
    transport.waiter = waiter
    try:
        transport.shake_hands(context, server_side, server_hostname)
    except BaseException:
        transport.waiter = None
        transport.start_abort(None)
        raise
    return transport


def upgrade_transport(
    SocketTransport former,
    protocol,
    context,
    waiter,
    *,
    server_side=False,
    server_hostname=None,
    handshake_timeout=None,
    shutdown_timeout=None,
):
    """A transport that has taken over the stream of `former`, its handshake begun.

    Nobody but the new one speaks for the connection from here; `former` is closed without a word.
    """
    cdef TlsTransport transport = new_transport(handshake_timeout, shutdown_timeout)
    cdef Channel stream = former.stream
    cdef object server = former.server
    former.check()
    prepare(transport, <Engine>former.engine, protocol, None, former.context)
    transport.extra = dict(former.extra) if former.extra else {}
    memcpy(transport.local, former.local, sizeof(transport.local))
    transport.is_upgrade = True
    transport.take_stream(stream)
    stream.consumer = transport
    former.server = None
    former.protocol = None  # it hears nothing of this end
    former.start_closing(None)
    transport.server = server
    if server is not None and sys.version_info >= (3, 13):
        server._clients.add(transport)  # `_attach` refuses where the server was closed meanwhile
        server._clients.discard(former)
    transport.waiter = waiter
    try:
        transport.shake_hands(context, server_side, server_hostname)
    except BaseException:
        transport.waiter = None
        transport.start_abort(None)
        raise
    return transport
