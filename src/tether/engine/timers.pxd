# Deadlines in order: a wheel of far ones before a heap of near ones. Knows no scope; what is due is
# only handed on.

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from tether.engine.work cimport Handle, Ready, Work

cdef enum:
    DIGIT = 6                # bits: 64 buckets a level
    LEVELS = 7
    BUCKETS = LEVELS * 64


cdef struct Entry:
    double when
    uint64_t order
    PyObject* work


cdef struct Bucket:
    Entry* entries           # what falls due in its span, in no order; gaps where it was cancelled
    Py_ssize_t count, live, capacity
    bint is_stale       # the earliest was cancelled
    double earliest          # not later than any of them


cdef class Timers:
    cdef Bucket buckets[BUCKETS]
    cdef uint64_t filled[LEVELS]  # which buckets of a level hold something
    cdef int64_t tick             # what falls due up to this tick is in the heap, the rest in the wheel
    cdef Entry* entries
    cdef Py_ssize_t capacity, near, count
    cdef uint64_t order
    cdef double first    # the earliest deadline among those handed on last
    cdef object anchor   # an attribute, so that the collector knows this type
    cdef int push(self, double when, Work work) except -1
    cdef int drop(self, Work work) except -1
    cdef double next_when(self) except -2
    cdef Py_ssize_t due(self, double now, Ready ready) except -1
    cdef int clear(self) except -1


@cython.no_gc
cdef class TimerHandle(Handle):
    cdef double deadline
    cdef Timers timers


cdef TimerHandle one_timer(
    Timers timers, double when, object loop, object callback, object args, object context
)
