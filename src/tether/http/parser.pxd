# Reading requests off the wire: heads and chunked bodies. Knows bytes only.

cdef class RequestHead:
    cdef readonly str method, target
    cdef readonly int minor            # of the version: HTTP/1.minor
    cdef readonly list fields          # (name in lower case, value)
    cdef readonly long long length     # of the body as declared, -1 where none was
    cdef readonly bint is_chunked, keeps_alive, expects_continue, has_upgrade


cdef Py_ssize_t find_head_end(const char* data, Py_ssize_t size, Py_ssize_t start) except -2
cdef RequestHead parse_request_head(
    const char* data, Py_ssize_t size, Py_ssize_t line_limit, Py_ssize_t count_limit
)


cdef class ChunkedBody:
    cdef bytearray body
    cdef Py_ssize_t limit, remaining, line_size, pieces
    cdef int state
    cdef bint is_complete
    cdef Py_ssize_t feed(self, const char* data, Py_ssize_t size) except -1
    cdef int step(self, unsigned char code) except -1
    cdef int expect(self, unsigned char code, unsigned char wanted) except -1
