# Listening: accepts connections and hands each on as a stream. Knows no protocol.

from libc.stdint cimport uint32_t

from tether.engine.engine cimport Engine
from tether.engine.poller cimport Source
from tether.engine.scope cimport Alarm
from tether.stream.channel cimport Channel


cdef class Acceptor:
    cdef int accepted(self, Listener listener, Channel stream) except -1


cdef class Listener(Source):
    cdef Engine home
    cdef int descriptor
    cdef object socket, stream_callback, error_callback
    cdef Acceptor acceptor
    cdef Alarm stop_alarm
    cdef readonly object address
    cdef readonly unsigned long long accepted_count
    cdef bint is_tcp, is_resting, is_short   # short of descriptors, and it was said
    cdef bint keeps_path   # a Unix socket's file is somebody else's to remove
    cdef int accept_some(self) except -1
    cdef int run_callback(self, Channel stream) except -1
    cdef int rest(self, int number) except -1
