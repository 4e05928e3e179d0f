# What the ready queue runs, and the queue itself. Knows no timer, no scope and no descriptor.

cimport cython
from cpython.object cimport visitproc
from cpython.ref cimport PyObject


cdef class Work:
    cdef bint is_cancelled, is_pending  # pending: it waits for its deadline
    cdef int bucket        # its place among the timers, while it is pending
    cdef Py_ssize_t index
    cdef int run(self) except -1


cdef class Ready:
    cdef PyObject** items
    cdef Py_ssize_t capacity, head, count
    cdef object anchor  # an attribute, so that the collector knows this type
    cdef int push(self, object item) except -1
    cdef int give(self, PyObject* item) except -1
    cdef object pop(self)
    cdef int clear(self) except -1


@cython.no_gc
cdef class Handle(Work):
    cdef object __weakref__
    cdef object loop, callback, args, context, source_traceback
    cdef bint is_once
    cdef int call(self) except -1
    cdef list described(self)
    cdef int visit(self, visitproc visit, void* argument) noexcept


cdef Handle one_shot(object loop, object callback, object args, object context)
cdef int let_go(Handle handle) except -1
cdef int visit_work(PyObject* work, visitproc visit, void* argument) noexcept
