# How asyncio's transports come about. Knows transports and sockets, no listener and no event.

from tether.aio.transport cimport SocketTransport
from tether.engine.engine cimport Engine
from tether.stream.channel cimport Channel


cdef int prepare(SocketTransport transport, Engine engine, object protocol, object server,
                 object context) except -1
cdef int accept_transport(SocketTransport transport, Engine engine, Channel stream,
                          object protocol, object server, object context) except -1
cdef int connect_transport(SocketTransport transport, Engine engine, object sock, object protocol,
                           object extra, object server) except -1
