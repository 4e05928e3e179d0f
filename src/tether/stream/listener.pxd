# Listening: hands each connection on as a stream, which it owns. Knows no protocol.

from tether.engine.engine cimport Engine
from tether.engine.scope cimport Alarm
from tether.stream.admission cimport Admission
from tether.stream.channel cimport Channel
from tether.stream.tls_accepting cimport Greeter


cdef class Acceptor:
    cdef int accepted(self, Listener listener, Channel stream) except -1


cdef class Listener(Greeter):
    cdef Engine home
    cdef list doors            # one `Accepting` for each socket
    cdef object stream_callback, error_callback, tls
    cdef Acceptor acceptor
    cdef Admission admission
    cdef Alarm stop_alarm
    cdef Py_ssize_t write_high, write_low, read_high
    cdef double handshake_time, shutdown_time
    cdef readonly object addresses
    cdef readonly unsigned long long accepted_count, failed_count
    cdef bint is_started, is_paused, is_resting
    cdef bint is_short         # of descriptors, and it was said
    cdef int admit(self) except -1
    cdef int start_stream(self, Channel stream) except -1
    cdef int run_callback(self, Channel stream) except -1
    cdef int tell(self, object error, str message) except -1
