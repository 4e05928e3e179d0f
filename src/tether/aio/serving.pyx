# What asyncio's `create_server` accepts with: a tether listener whose connections become transports.
# Knows listeners and transports; asyncio's `Server` object only as the one who is told of them.

from contextvars import copy_context

from cpython.contextvars cimport PyContext_Copy, PyContext_Enter, PyContext_Exit

from tether.aio.opening cimport accept_transport
from tether.aio.tls_transport cimport TlsTransport, new_transport
from tether.aio.transport cimport SocketTransport
from tether.engine.engine cimport Engine
from tether.stream.listener cimport Acceptor, Listener
from tether.stream.channel cimport Channel

from tether.stream.binding import Bound
from tether.stream.listener import Listener as MakeListener


cdef class Serving(Acceptor):
    # One listening socket of an asyncio server.
    cdef object factory, server, context
    cdef object tls_context, handshake_timeout, shutdown_timeout

    cdef int accepted(self, Listener listener, Channel stream) except -1:
        cdef object context = PyContext_Copy(self.context), protocol
        PyContext_Enter(context)
        try:
            protocol = self.factory()
        finally:
            PyContext_Exit(context)
        cdef SocketTransport transport
        if self.tls_context is not None:
            transport = new_transport(self.handshake_timeout, self.shutdown_timeout)
        else:
            transport = SocketTransport.__new__(SocketTransport)
        accept_transport(transport, listener.home, stream, protocol, self.server, context)
        if self.tls_context is not None:
            (<TlsTransport>transport).shake_hands(self.tls_context, True, None)
        else:
            transport.begin()
        return 0


def start_serving(
    Engine engine,
    factory,
    sock,
    server,
    tls_context=None,
    handshake_timeout=None,
    shutdown_timeout=None,
):
    """A listener on `sock` that makes a transport, with a protocol, of each connection."""
    cdef Serving serving = Serving.__new__(Serving)
    cdef Listener listener = MakeListener([Bound(sock)], owner=engine.root, name="asyncio server")
    serving.factory = factory
    serving.server = server
    serving.context = copy_context()
    serving.tls_context = tls_context
    serving.handshake_timeout = handshake_timeout
    serving.shutdown_timeout = shutdown_timeout
    listener.acceptor = serving
    listener.start()
    return listener
