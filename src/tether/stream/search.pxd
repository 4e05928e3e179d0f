# Searching and comparing chains, across the borders of chunks. Knows chains and what ends a line.

from tether.stream.chain cimport Chain, Chunk


cdef struct Place:
    Chunk* chunk         # NULL: not known
    Py_ssize_t before    # bytes of the chain before that chunk


cdef struct Line:
    Py_ssize_t size      # without its end; -1 where no line is complete
    Py_ssize_t end       # size of what ends it
    Py_ssize_t looked    # so many bytes, from the first on, need no second look


cdef enum LineEnd:
    LF
    CRLF
    CRLF_OR_LF
    NUL
    ANY


cdef Py_ssize_t find(
    Chain chain, Place* place, const char* pattern, Py_ssize_t length, Py_ssize_t start, Py_ssize_t end
) except -2
cdef int find_line(
    Chain chain, Place* place, LineEnd kind, Py_ssize_t start, Py_ssize_t end, Line* line
) except -1
cdef bint is_same(Chain chain, Chain other_chain, Chunk* other) except -1
