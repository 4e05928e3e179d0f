# Searching and comparing chains, across the borders of chunks. Knows chains and what ends a line.
#
# Every search takes time in proportion to what it looks at, whatever the pattern. A place is
# remembered between searches, so that one that goes on far behind does not begin at the front.

from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp

from tether.stream.chain cimport FILE, load_error

cdef enum:
    SHORT = 64


cdef Py_ssize_t find(
    Chain chain, Place* place, const char* pattern, Py_ssize_t length, Py_ssize_t start, Py_ssize_t end
) except -2:
    # Where `pattern`, which is not empty, first lies as a whole between `start` and `end`, both
    # inside the chain; -1: nowhere. Knuth, Morris and Pratt's way: it never goes back.
    cdef Py_ssize_t few[SHORT]
    cdef Py_ssize_t* borders = few
    cdef Py_ssize_t found
    if length > end - start:
        return -1
    if length > SHORT:
        borders = <Py_ssize_t*>malloc(length * sizeof(Py_ssize_t))
        if borders == NULL:
            raise MemoryError
    try:
        find_borders(pattern, length, borders)
        found = find_prepared(chain, place, pattern, length, borders, start, end)
    finally:
        if borders != few:
            free(borders)
    return found


cdef void find_borders(const char* pattern, Py_ssize_t length, Py_ssize_t* borders) noexcept:
    # For each beginning of the pattern, how much of its end is the pattern's beginning again.
    cdef Py_ssize_t index, matched = 0
    borders[0] = 0
    for index in range(1, length):
        while matched and pattern[index] != pattern[matched]:
            matched = borders[matched - 1]
        if pattern[index] == pattern[matched]:
            matched += 1
        borders[index] = matched


cdef Py_ssize_t find_prepared(
    Chain chain, Place* place, const char* pattern, Py_ssize_t length, const Py_ssize_t* borders,
    Py_ssize_t start, Py_ssize_t end
) except -2:
    cdef const char* data
    cdef const char* position
    cdef const char* stop
    cdef Py_ssize_t matched = 0
    go_to(chain, place, start)
    while place.before < end:
        data = look(chain, place)
        position = data + max(start - place.before, <Py_ssize_t>0)
        stop = data + min(place.chunk.size, end - place.before)
        while position < stop:
            if matched == 0:
                position = <const char*>memchr(position, pattern[0], stop - position)
                if position == NULL:
                    break
            elif position[0] != pattern[matched]:
                matched = borders[matched - 1]
                continue
            position += 1
            matched += 1
            if matched == length:
                return place.before + (position - data) - length
        if not go_on(place):
            break
    return -1


cdef int find_line(
    Chain chain, Place* place, LineEnd kind, Py_ssize_t start, Py_ssize_t end, Line* line
) except -1:
    # The first line's end, whose beginning is not before `start` and whose end not after `end`.
    cdef Py_ssize_t found
    line.end = 1
    line.looked = end
    if kind == ANY:
        return find_any(chain, place, start, end, line)
    if kind == CRLF:
        found = find(chain, place, b"\r\n", 2, start, end)
        line.end = 2
        line.looked = max(start, end - 1)
    elif kind == NUL:
        found = find(chain, place, b"\0", 1, start, end)
    else:
        found = find(chain, place, b"\n", 1, start, end)
        if kind == CRLF_OR_LF and found > 0 and byte_at(chain, found - 1) == c"\r":
            line.end = 2
            found -= 1
    line.size = found
    return 0


cdef int find_any(
    Chain chain, Place* place, Py_ssize_t start, Py_ssize_t end, Line* line
) except -1:
    # CR, LF or both. A CR that comes last is no end yet: an LF may follow.
    cdef const char* data
    cdef Py_ssize_t index, stop, found
    go_to(chain, place, start)
    while place.before < end:
        data = look(chain, place)
        stop = min(place.chunk.size, end - place.before)
        for index in range(max(start - place.before, <Py_ssize_t>0), stop):
            if data[index] == c"\n" or data[index] == c"\r":
                found = place.before + index
                line.size = found
                if data[index] == c"\r":
                    if found + 1 == end:
                        line.size = -1
                        line.looked = found
                    elif byte_at(chain, found + 1) == c"\n":
                        line.end = 2
                return 0
        if not go_on(place):
            break
    line.size = -1
    return 0


cdef void go_to(Chain chain, Place* place, Py_ssize_t position) noexcept:
    if place.chunk == NULL or place.before > position:
        place.chunk = chain.first
        place.before = 0
    while place.chunk != NULL and place.before + place.chunk.size <= position and go_on(place):
        pass


cdef inline bint go_on(Place* place) noexcept:
    # The last chunk is not left: more may come to it.
    if place.chunk.next == NULL:
        return False
    place.before += place.chunk.size
    place.chunk = place.chunk.next
    return True


cdef inline const char* look(Chain chain, Place* place) except NULL:
    if place.chunk.kind == FILE and chain.load(place.chunk) < 0:
        load_error()
    return place.chunk.data


cdef int byte_at(Chain chain, Py_ssize_t position) except -1:
    cdef unsigned char byte
    chain.copy_out(position, <char*>&byte, 1)
    return byte


cdef bint is_same(Chain chain, Chain other_chain, Chunk* other) except -1:
    # Two chains; or one and as many bytes in one piece, which are no chain's.
    cdef Chunk* chunk = chain.first
    cdef Py_ssize_t piece, place = 0, other_place = 0
    if other_chain is not None and chain.size != other_chain.size:
        return False
    while chunk != NULL:
        if chunk.kind == FILE and chain.load(chunk) < 0:
            load_error()
        if other.kind == FILE and other_chain.load(other) < 0:
            load_error()
        piece = min(chunk.size - place, other.size - other_place)
        if memcmp(chunk.data + place, other.data + other_place, piece) != 0:
            return False
        place += piece
        other_place += piece
        if place == chunk.size:
            chunk = chunk.next
            place = 0
        if other_place == other.size:
            other = other.next
            other_place = 0
    return True
