# asyncio's transport under TLS. Knows streams, layers and asyncio's rules for both.

from tether.aio.transport cimport SocketTransport
from tether.engine.engine cimport Engine
from tether.stream.channel cimport Channel
from tether.stream.tls cimport Tls


cdef class TransportTls(Tls):
    cdef TlsTransport transport


cdef class TlsTransport(SocketTransport):
    cdef TransportTls tls
    cdef bint is_upgrade      # the protocol knew the connection before
    cdef bint is_established  # the handshake is over
    cdef double handshake_time, shutdown_time
    cdef int shake_hands(self, object context, bint server_side, object hostname) except -1
    cdef int established(self) except -1
    cdef int wake(self, object error) except -1


cdef TlsTransport new_transport(object handshake_timeout, object shutdown_timeout)
