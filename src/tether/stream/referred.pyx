# What a chunk may refer to instead of bytes: somebody's memory, and a file.
# Knows what it holds and how that is given back; no chain.

cimport cython
from cpython.buffer cimport PyBuffer_IsContiguous
from cpython.exc cimport PyErr_Clear, PyErr_SetFromErrno, PyErr_WriteUnraisable
from cpython.memoryview cimport PyMemoryView_FromObject, PyMemoryView_GET_BUFFER
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport EINTR, EIO, ENOMEM, errno
from posix.types cimport off_t
from posix.unistd cimport close as close_descriptor

from tether.stream.system cimport set_errno

cdef extern from "<fcntl.h>" nogil:
    int fcntl(int fd, int command, int least)
    enum:
        F_DUPFD_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int fd, void* data, size_t size, off_t offset)

cdef extern from "Python.h":
    PyObject* new_bytes "PyBytes_FromStringAndSize" (const char* data, Py_ssize_t size)
    char* memory_of "PyBytes_AS_STRING" (PyObject* block) noexcept
    PyObject* call "PyObject_CallOneArg" (object callback, object argument)
    Py_ssize_t references "Py_REFCNT" (object thing) noexcept


@cython.final
cdef class Reference:
    """Memory of somebody else, held until the last chunk that lies in it is gone."""

    # `__del__`, and not `__dealloc__`: the collector calls it while all that is garbage is whole.
    def __del__(self):
        cdef object release = self.release
        cdef PyObject* result
        self.release = None
        if references(self) == 1:
            self.memory = None  # it may be changed now; where the collector asks it may be looked at
        if release is not None:
            result = call(release, self.data)
            if result == NULL:
                # Whoever drained the last byte has nothing to do with it.
                PyErr_WriteUnraisable(release)
            else:
                Py_DECREF(<object>result)


@cython.final
@cython.no_gc
cdef class File:
    """A descriptor of its own for an open file, closed with the last chunk of it."""

    def __cinit__(self):
        self.descriptor = -1

    def __dealloc__(self):
        if self.descriptor >= 0:
            close_descriptor(self.descriptor)

    cdef PyObject* read(self, Py_ssize_t offset, Py_ssize_t size) noexcept:
        # A part of it as a bytes object of its own; NULL with errno set.
        cdef PyObject* block = new_bytes(NULL, size)
        cdef Py_ssize_t have = 0
        cdef ssize_t got
        if block == NULL:
            PyErr_Clear()
            set_errno(ENOMEM)
            return NULL
        while have < size:
            got = pread(self.descriptor, memory_of(block) + have, size - have, offset + have)
            if got > 0:
                have += got
            elif got == 0 or errno != EINTR:
                if got == 0:
                    set_errno(EIO)  # the file is shorter than it was
                Py_DECREF(<object>block)
                return NULL
        return block


cdef Reference refer_to(object data):
    # Without a release function yet: it is the caller's until it lies in a chain. A memoryview of our
    # own, as the collector may end somebody's memoryview though a buffer of it is held.
    cdef Reference reference = Reference.__new__(Reference)
    cdef Py_buffer* view
    reference.memory = PyMemoryView_FromObject(data)
    view = PyMemoryView_GET_BUFFER(reference.memory)
    if not PyBuffer_IsContiguous(view, c"C"):
        raise BufferError("only bytes that lie in one piece can be referred to")
    reference.where = <char*>view.buf
    reference.size = view.len
    reference.data = data
    return reference


cdef File open_again(int descriptor):
    # Whoever opened it may close his at once.
    cdef File file = File.__new__(File)
    file.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    if file.descriptor < 0:
        PyErr_SetFromErrno(OSError)
    return file
