# What the ready queue runs, and the queue itself. Knows no timer, no scope and no descriptor.

from cpython.ref cimport PyObject


cdef class Work:
    cdef bint is_cancelled, is_pending  # pending: in the timer heap
    cdef int run(self) except -1


cdef class Ready:
    cdef PyObject** items
    cdef Py_ssize_t capacity, head, count
    cdef int push(self, object item) except -1
    cdef object pop(self)
    cdef int clear(self) except -1


cdef class Handle(Work):
    cdef object __weakref__
    cdef object loop, callback, args, context, source_traceback
    cdef int call(self) except -1
    cdef list described(self)
