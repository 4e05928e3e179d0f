# Deadlines in order: a 4-ary heap of work that falls due. Knows no scope; what is due is only handed on.

from cpython.ref cimport PyObject

from tether.engine.work cimport Handle, Ready, Work


cdef struct Entry:
    double when
    unsigned long long order
    PyObject* work


cdef class TimerHeap:
    cdef Entry* entries
    cdef Py_ssize_t capacity, count, cancelled
    cdef unsigned long long order
    cdef int push(self, double when, Work work) except -1
    cdef int cancel_one(self) except -1
    cdef double next_when(self) except -2
    cdef int due(self, double now, Ready ready) except -1
    cdef int clear(self) except -1


cdef class TimerHandle(Handle):
    cdef double deadline
    cdef TimerHeap heap
