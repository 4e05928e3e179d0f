# A child process as a source: its descriptor says when it ends. Knows no pipe and no protocol.

from tether.engine.engine cimport Engine
from tether.engine.poller cimport Source


cdef class Child(Source):
    cdef Engine home
    cdef object process, transport
    cdef int descriptor
    cdef int reap(self) except -1
    cdef int kill(self) except -1
