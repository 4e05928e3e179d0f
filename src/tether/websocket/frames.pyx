# Frames on the wire: headers, masking, UTF-8. Knows bytes only.

from libc.string cimport memcpy

cdef uint64_t HIGH_BITS = <uint64_t>0x80808080 << 32 | <uint64_t>0x80808080  # one per octet


cdef Py_ssize_t read_header(
    const unsigned char* data, Py_ssize_t size, Frame* frame
) noexcept nogil:
    # The size of the header, 0 where it is not complete yet, -1 where the length is not written
    # in its shortest form or has its highest bit set (RFC 6455, section 5.2).
    cdef Py_ssize_t header = 2, index
    cdef unsigned char short_length
    if size < 2:
        return 0
    frame.is_final = data[0] >> 7
    frame.reserved = (data[0] >> 4) & 7
    frame.opcode = data[0] & 15
    frame.is_masked = data[1] >> 7
    short_length = data[1] & 127
    frame.length = short_length
    if short_length >= 126:
        header = 4 if short_length == 126 else 10
        if size < header:
            return 0
        frame.length = 0
        for index in range(2, header):
            frame.length = (frame.length << 8) | data[index]
        if frame.length < (126 if header == 4 else 65536) or frame.length >> 63:
            return -1
    if frame.is_masked:
        if size < header + 4:
            return 0
        memcpy(frame.mask, data + header, 4)
        header += 4
    return header


cdef Py_ssize_t header_size(uint64_t length) noexcept nogil:
    return 2 if length < 126 else 4 if length < 65536 else 10


cdef Py_ssize_t write_header(
    unsigned char* target, unsigned char opcode, uint64_t length
) noexcept nogil:
    # An unmasked, final frame's header.
    cdef int index
    target[0] = 0x80 | opcode
    if length < 126:
        target[1] = <unsigned char>length
        return 2
    if length < 65536:
        target[1] = 126
        target[2] = <unsigned char>(length >> 8)
        target[3] = <unsigned char>length
        return 4
    target[1] = 127
    for index in range(8):
        target[2 + index] = <unsigned char>(length >> (56 - 8 * index))
    return 10


cdef void apply_mask(
    unsigned char* data, Py_ssize_t size, const unsigned char* mask, uint64_t offset
) noexcept nogil:
    # RFC 6455, section 5.3, in place; `offset` is how much of the payload came before. Whole
    # words first: the compiler turns that loop into vector code.
    cdef unsigned char turned[8]
    cdef uint64_t word, piece
    cdef Py_ssize_t index
    for index in range(8):
        turned[index] = mask[(offset + index) & 3]
    memcpy(&word, turned, 8)
    for index in range(0, size - 7, 8):
        memcpy(&piece, data + index, 8)
        piece ^= word
        memcpy(data + index, &piece, 8)
    for index in range(size & ~<Py_ssize_t>7, size):
        data[index] ^= turned[index & 7]


cdef void start_text(Utf8* text) noexcept nogil:
    text.needed = 0


cdef bint check_text(Utf8* text, const unsigned char* data, Py_ssize_t size) noexcept nogil:
    # Whether `data` may stand here in UTF-8 (RFC 3629, section 4: no surrogates, no overlong
    # forms, nothing above U+10FFFF), judged at the first octet that breaks the rule. A text is
    # complete where `needed` is 0 afterwards.
    cdef Py_ssize_t index = 0
    cdef unsigned char octet
    cdef uint64_t word
    while index < size:
        octet = data[index]
        if text.needed:
            if octet < text.lowest or octet > text.highest:
                return False
            text.needed -= 1
            text.lowest = 0x80
            text.highest = 0xBF
            index += 1
        elif octet < 0x80:
            index += 1
            while index + 8 <= size:
                memcpy(&word, data + index, 8)
                if word & HIGH_BITS:
                    break
                index += 8
        else:
            text.lowest = 0x80
            text.highest = 0xBF
            if 0xC2 <= octet <= 0xDF:
                text.needed = 1
            elif 0xE0 <= octet <= 0xEF:
                text.needed = 2
                if octet == 0xE0:
                    text.lowest = 0xA0
                elif octet == 0xED:
                    text.highest = 0x9F
            elif 0xF0 <= octet <= 0xF4:
                text.needed = 3
                if octet == 0xF0:
                    text.lowest = 0x90
                elif octet == 0xF4:
                    text.highest = 0x8F
            else:
                return False
            index += 1
    return True
