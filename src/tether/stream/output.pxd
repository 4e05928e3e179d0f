# What waits to be sent: a chain that streams and pipes send from, and give back when it is empty.
# Knows a descriptor only to send to it; no stream, no loop.

from tether.stream.chain cimport Chain


cdef class Output(Chain):
    cdef Output next_spare  # while it is one of the pool
    cdef Py_ssize_t send(self, int descriptor) noexcept
    cdef Py_ssize_t write(self, int descriptor) noexcept


cdef Output take_output()
cdef int give_output(Output output) except -1
