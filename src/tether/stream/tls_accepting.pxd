# TLS of accepted connections: the handshake comes before anybody hears of them. Knows no listener.

from tether.stream.accepting cimport Reception
from tether.stream.channel cimport Channel
from tether.stream.tls cimport Tls


cdef class Greeter(Reception):
    # Who hears how the handshakes went.
    cdef int greeted(self, Channel stream) except -1
    cdef int not_greeted(self, Channel stream, object cause) except -1


cdef class AcceptedTls(Tls):
    cdef Greeter greeter
    cdef bint is_told


cdef int greet(Greeter greeter, Channel stream, object context, double handshake_time,
               double shutdown_time) except -1
