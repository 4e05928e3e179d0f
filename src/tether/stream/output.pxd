# What waits to be sent: small writes gathered in blocks, long ones kept as references.
# Knows a descriptor only to send to it; no stream, no loop.


cdef struct Chunk:
    void* owner          # the bytes object that is kept, NULL where the block is our own
    char* data
    Py_ssize_t start, end, capacity


cdef class Output:
    cdef Chunk* chunks
    cdef Py_ssize_t first, count, capacity
    cdef Py_ssize_t size   # bytes waiting
    cdef Output next_spare # while it is one of the pool
    cdef char* reserve(self, Py_ssize_t size) except NULL
    cdef int append(self, const char* data, Py_ssize_t size) except -1
    cdef int append_bytes(self, bytes data) except -1
    cdef Py_ssize_t send(self, int descriptor) noexcept
    cdef Py_ssize_t first_piece(self, char** where) noexcept
    cdef void drop(self, Py_ssize_t size) noexcept
    cdef Py_ssize_t write(self, int descriptor) noexcept
    cdef int clear(self) noexcept


cdef Output take_output()
cdef int give_output(Output output) except -1
