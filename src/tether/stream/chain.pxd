# A chain of chunks: bytes in the order they came, each where it lies already.
# Knows memory and files; no descriptor to send to, no stream and no loop.

from cpython.object cimport PyObject

cdef enum:
    BLOCK = 4096           # what small bytes are gathered in
    LARGEST_BLOCK = 65536  # blocks double up to that; longer only for bytes that stay in one piece
    LONG = 2048            # from this size a bytes object is referred to, not copied

cdef enum Kind:
    OWN        # part of a block of the chain's own: a bytes object that nobody else sees
    CONSTANT   # part of somebody's bytes object
    REFERENCE  # part of other memory, held by a Reference
    FILE       # part of a file, held by a File


cdef struct Chunk:
    Chunk* next
    PyObject* owner      # whose memory or file it is
    char* data           # NULL where it is a file's
    Py_ssize_t size      # never 0
    Py_ssize_t offset    # in the file
    Kind kind


cdef class Chain:
    cdef Chunk* first
    cdef Chunk* last
    cdef Py_ssize_t size    # of all chunks together
    cdef PyObject* block    # where the next small bytes go, after the `used` ones; NULL: none yet
    cdef Py_ssize_t used
    cdef Py_ssize_t room(self) noexcept
    cdef char* reserve(self, Py_ssize_t size) except NULL
    cdef int append(self, const char* data, Py_ssize_t size) except -1
    cdef int append_bytes(self, bytes data) except -1
    cdef int append_part(self, Kind kind, object owner, char* data, Py_ssize_t size,
                         Py_ssize_t offset) except -1
    cdef int append_block(self, PyObject* block, Py_ssize_t used) except -1
    cdef int prepend(self, const char* data, Py_ssize_t size) except -1
    cdef int prepend_bytes(self, bytes data) except -1
    cdef int take(self, Chain other, Py_ssize_t size) except -1
    cdef void drop(self, Py_ssize_t size) noexcept
    cdef void clear(self) noexcept
    cdef bint shrink(self) noexcept
    cdef int pull_up(self, Py_ssize_t size) except -1
    cdef int load(self, Chunk* chunk) noexcept
    cdef int copy_out(self, Py_ssize_t start, char* target, Py_ssize_t size) except -1
    cdef bint has_references(self) noexcept
    cdef Py_ssize_t first_piece(self, char** where) noexcept


cdef int load_error() except -1
