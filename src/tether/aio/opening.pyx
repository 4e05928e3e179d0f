# How asyncio's transports come about: over a socket that is connected, or a stream that was accepted.
# Knows transports and sockets, no listener and no event.

import socket
import sys
from asyncio import trsock

from cpython.contextvars cimport PyContext_CopyCurrent

from tether.stream.channel cimport Channel

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        pass
    int getsockname(int fd, sockaddr* address, unsigned int* size)
    int setsockopt(int fd, int level, int option, const void* value, unsigned int size)

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        TCP_NODELAY

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP


cdef int prepare(SocketTransport transport, Engine engine, object protocol, object server,
                 object context) except -1:
    transport.context = context
    transport.linger_time = -1
    transport.high = 64 * 1024
    transport.low = 16 * 1024
    engine.root.adopt(transport, False)
    transport.set_protocol(protocol)
    transport.server = server
    if server is not None:
        server._attach(transport) if sys.version_info >= (3, 13) else server._attach()
    return 0


cdef int fit(Channel stream) except -1:
    # asyncio's rules for a stream: no reset, no deadline, small writes leave at once.
    cdef int on = 1
    stream.resets = False
    stream.linger_time = -1
    if stream.is_tcp:
        setsockopt(stream.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
    return 0


cdef int accept_transport(
    SocketTransport transport,
    Engine engine,
    Channel stream,
    object protocol,
    object server,
    object context,
) except -1:
    # The transport of a connection that a listener accepted; `begin` starts it.
    cdef unsigned int size = sizeof(transport.local)
    prepare(transport, engine, protocol, server, context)
    transport.take_stream(stream)
    fit(stream)
    if stream.is_tcp:
        getsockname(stream.descriptor, <sockaddr*>transport.local, &size)
    else:
        stream.socket = socket.socket(fileno=stream.descriptor)
        describe_socket(transport, stream.socket)
    return 0


cdef int connect_transport(
    SocketTransport transport, Engine engine, object sock, object protocol, object extra,
    object server,
) except -1:
    # The transport of a connected, non-blocking socket, which it owns from now on.
    cdef Channel stream = Channel.__new__(Channel)
    stream.is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6)
    stream.socket = sock
    prepare(transport, engine, protocol, server, PyContext_CopyCurrent())
    transport.extra = dict(extra) if extra else None
    describe_socket(transport, sock)
    try:
        stream.start(engine, sock.fileno(), transport, True)
    except BaseException:
        transport.protocol = None  # it never heard of the connection
        transport.start_abort(None)
        raise
    stream.consumer = transport
    transport.stream = stream
    stream.peer_name = f"{transport.extra['peername']}"
    return fit(stream)


def open_transport(Engine engine, sock, protocol, waiter=None, extra=None, server=None):
    """A started transport over a connected, non-blocking socket, which it owns from now on."""
    cdef SocketTransport transport = SocketTransport.__new__(SocketTransport)
    connect_transport(transport, engine, sock, protocol, extra, server)
    transport.waiter = waiter
    transport.begin()
    return transport


cdef int describe_socket(SocketTransport transport, object sock) except -1:
    if transport.extra is None:
        transport.extra = {}
    transport.extra["socket"] = trsock.TransportSocket(sock)
    try:
        transport.extra["sockname"] = sock.getsockname()
    except OSError:
        transport.extra["sockname"] = None
    if "peername" not in transport.extra:
        try:
            transport.extra["peername"] = sock.getpeername()
        except OSError:
            transport.extra["peername"] = None
    return 0
