# One listening socket: takes connections out of its backlog. Knows descriptors, no stream.

from libc.stdint cimport uint32_t

from tether.engine.engine cimport Engine
from tether.engine.poller cimport Source


cdef class Reception(Source):
    # Who gets what was accepted.
    cdef int arrived(self, Accepting door, int descriptor, unsigned char* address) except -1
    cdef int is_short_of(self, Accepting door, int number) except -1
    cdef int broke_off(self, Accepting door, int number) except -1


cdef class Accepting(Source):
    cdef Reception reception
    cdef Engine home
    cdef object bound          # the socket, with the file that goes with it (binding.py)
    cdef int descriptor
    cdef bint is_tcp, is_watched
    cdef int watch_it(self, bint wanted) except -1
    cdef int accept_some(self) except -1
    cdef int shut(self) except -1


cdef Accepting open_door(Reception reception, Engine home, object bound)
