# Frames on the wire: headers, masking, UTF-8. Knows bytes only.

from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10
    LONGEST_HEADER = 14


cdef struct Frame:
    bint is_final, is_masked
    unsigned char reserved, opcode
    unsigned char mask[4]
    uint64_t length


cdef struct Utf8:
    # Where a text stands between two pieces: how many octets the current character still needs,
    # and between which bounds the next one must lie.
    unsigned char needed, lowest, highest


cdef Py_ssize_t read_header(const unsigned char* data, Py_ssize_t size, Frame* frame) noexcept nogil
cdef Py_ssize_t write_header(
    unsigned char* target, unsigned char opcode, uint64_t length
) noexcept nogil
cdef Py_ssize_t header_size(uint64_t length) noexcept nogil
cdef void apply_mask(
    unsigned char* data, Py_ssize_t size, const unsigned char* mask, uint64_t offset
) noexcept nogil
cdef void start_text(Utf8* text) noexcept nogil
cdef bint check_text(Utf8* text, const unsigned char* data, Py_ssize_t size) noexcept nogil
