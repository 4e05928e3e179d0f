# Linux's epoll behind the poller interface. Knows descriptors only.

from tether.engine.poller cimport Poller


cdef class Epoll(Poller):
    cdef int descriptor
