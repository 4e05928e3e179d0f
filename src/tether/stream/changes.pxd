# Who is told that a buffer changed, and what they were not told yet. Knows numbers of bytes only.


cdef class Changes:
    cdef list observers
    cdef bint is_telling
    cdef Py_ssize_t added, drained
    cdef object observe(self, object callback)
    cdef int tell(self, Py_ssize_t added, Py_ssize_t drained) except -1


cdef class Observer:
    cdef list observers
    cdef object callback
