# Between chains and descriptors: the system calls, each once.
# Knows chains and the numbers of descriptors; no stream and no loop.

from tether.stream.chain cimport Chain


cdef Py_ssize_t send(Chain chain, int descriptor) noexcept
cdef Py_ssize_t write(Chain chain, int descriptor, Py_ssize_t limit) noexcept
cdef Py_ssize_t read(Chain chain, int descriptor, Py_ssize_t limit, bytes block) noexcept
