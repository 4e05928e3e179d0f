# TLS as a layer of a stream. Knows streams and sessions; what encrypts is the session's business.

from tether.engine.members cimport Work
from tether.stream.layer cimport Layer
from tether.stream.output cimport Output
from tether.stream.session cimport Session
from tether.stream.channel cimport Channel


cdef enum Phase:
    SHAKING = 0     # the handshake goes on
    READY = 1       # plaintext flows
    BROKEN_OFF = 2  # nothing is encrypted any more


cdef class Tls(Layer)


cdef class Deadline(Work):
    cdef Tls layer


cdef class Tls(Layer):
    cdef Channel stream
    cdef Session session
    cdef Phase phase
    cdef bint is_tcp, has_said_goodbye
    cdef bint has_lost_peer  # the wire ended without a goodbye
    cdef bint waits          # there is plaintext that cannot be encrypted before the peer spoke
    cdef char* own_stage     # where TLS inside of TLS receives
    cdef double began, handshake_time, shutdown_time
    cdef Deadline deadline
    cdef list waiters
    cdef int begin(self, Channel stream, object context, bint server_side, object hostname,
                   double handshake_time, double shutdown_time, object resumed=*) except -1
    cdef int shake(self) except -1
    cdef Py_ssize_t pull_handshake(self, int descriptor, char* where, Py_ssize_t room) except -2
    cdef Py_ssize_t seal(self, Output plain, const char** sealed) except -2
    cdef int collect(self) except -1
    cdef int drop_plain(self) except -1
    cdef int drop_deadline(self) except -1
    cdef int broken(self, object error, str phase) except -1
    # What a kind of TLS may do otherwise:
    cdef int established(self) except -1
    cdef int late(self) except -1
    cdef int truncated(self) except -1
    cdef object cause_of(self, object error, str phase)
