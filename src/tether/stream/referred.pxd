# What a chunk may refer to instead of bytes: somebody's memory, and a file.
# Knows what it holds and how that is given back; no chain.

from cpython.object cimport PyObject


cdef class Reference:
    cdef object data, memory, release
    cdef char* where
    cdef Py_ssize_t size


cdef class File:
    cdef int descriptor
    cdef PyObject* read(self, Py_ssize_t offset, Py_ssize_t size) noexcept


cdef Reference refer_to(object data)
cdef File open_again(int descriptor)
