# How asyncio's transports come about. Knows transports and sockets, no listener and no event.

from tether.aio.transport cimport SocketTransport
from tether.engine.engine cimport Engine
from tether.stream.stream cimport Stream


cdef SocketTransport accept_transport(
    Engine engine, Stream stream, object protocol, object server, object context)
