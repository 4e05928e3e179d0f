# A chain of chunks: bytes in the order they came, each where it lies already.
# Knows memory and files; no descriptor to send to, no stream and no loop.
#
# Small bytes share blocks, and a block is held by every chunk that lies in it, in whatever chain: so
# chunks can be moved and divided without copying. Freeing a chunk may run Python code (a reference's
# release function), which may do anything with this chain: it is freed when the chain is whole again.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear, PyErr_NoMemory, PyErr_SetFromErrno
from libc.errno cimport ENOMEM
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from tether.stream.referred cimport File
from tether.stream.system cimport set_errno

cdef extern from "Python.h":
    PyObject* new_block "PyBytes_FromStringAndSize" (const char* data, Py_ssize_t size) except NULL
    PyObject* new_bytes "PyBytes_FromStringAndSize" (const char* data, Py_ssize_t size)
    char* memory_of "PyBytes_AS_STRING" (PyObject* block) noexcept
    Py_ssize_t room_of "PyBytes_GET_SIZE" (PyObject* block) noexcept
    Py_ssize_t references "Py_REFCNT" (PyObject* thing) noexcept
    void hold "Py_INCREF" (PyObject* thing) noexcept
    void let_go "Py_XDECREF" (PyObject* thing) noexcept
    Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    MOST_FREED = 256
    DEEPEST = 40
    SPARSE = 8  # a block of which less than this part is in use is not kept for it

# Freed ones, to be used again: one is made for every message.
cdef Chunk* freed = NULL
cdef int freed_count = 0

cdef Chunk* deferred = NULL
cdef int depth = 0


@cython.no_gc  # who needs its references collected shows them to the collector himself
cdef class Chain:
    """Bytes in order, in chunks."""

    def __dealloc__(self):
        self.clear()
        let_go(self.block)

    cdef char* reserve(self, Py_ssize_t size) except NULL:
        # Room in one piece for `size` bytes, more than none, that the caller writes at once.
        cdef Chunk* last = self.last
        cdef char* room
        if size > PY_SSIZE_T_MAX - self.size:
            raise OverflowError("more bytes than can be counted")
        if self.room() < size:
            make_room(self, size)
        room = memory_of(self.block) + self.used
        if last != NULL and last.owner == self.block and last.data + last.size == room:
            last.size += size
        else:
            link(self, new_chunk(OWN, self.block, room, size, 0))
        self.used += size
        self.size += size
        return room

    cdef int append(self, const char* data, Py_ssize_t size) except -1:
        cdef Chain more
        cdef Py_ssize_t piece
        if size > LARGEST_BLOCK:
            more = Chain.__new__(Chain)  # all of it or nothing
            while size:
                piece = min(size, <Py_ssize_t>LARGEST_BLOCK)
                memcpy(more.reserve(piece), data, piece)
                data += piece
                size -= piece
            adopt_block(self, more.block, more.used)
            self.take(more, more.size)
        elif size:
            memcpy(self.reserve(size), data, size)
        return 0

    cdef int append_bytes(self, bytes data) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        if size < LONG:
            return self.append(PyBytes_AS_STRING(data), size)
        return self.append_part(CONSTANT, data, PyBytes_AS_STRING(data), size, 0)

    cdef int append_part(self, Kind kind, object owner, char* data, Py_ssize_t size,
                         Py_ssize_t offset) except -1:
        # More than no bytes that lie elsewhere.
        if size > PY_SSIZE_T_MAX - self.size:
            raise OverflowError("more bytes than can be counted")
        link(self, new_chunk(kind, <PyObject*>owner, data, size, offset))
        self.size += size
        return 0

    cdef Py_ssize_t room(self) noexcept:
        # Left in its own block.
        return 0 if self.block == NULL else room_of(self.block) - self.used

    cdef int append_block(self, PyObject* block, Py_ssize_t used) except -1:
        # A block that somebody filled, from its beginning; its rest takes what comes next.
        if used < LONG or used < room_of(block) // SPARSE:
            return self.append(memory_of(block), used)
        self.append_part(OWN, <object>block, memory_of(block), used, 0)
        adopt_block(self, block, used)
        return 0

    cdef int prepend(self, const char* data, Py_ssize_t size) except -1:
        cdef Chunk* first = self.first
        cdef Chunk* chunk
        cdef PyObject* block
        cdef Py_ssize_t capacity = max(<Py_ssize_t>BLOCK, size)
        if size == 0:
            return 0
        if size > PY_SSIZE_T_MAX - self.size:
            raise OverflowError("more bytes than can be counted")
        # Into the room before the first bytes, where no other chunk can lie.
        if (
            first != NULL and first.kind == OWN
            and first.data - memory_of(first.owner) >= size
            and references(first.owner) == (2 if first.owner == self.block else 1)
        ):
            first.data -= size
            first.size += size
            memcpy(first.data, data, size)
        else:
            block = new_block(NULL, capacity)
            try:
                chunk = new_chunk(OWN, block, memory_of(block) + capacity - size, size, 0)
            finally:
                let_go(block)
            memcpy(chunk.data, data, size)
            link_first(self, chunk)
        self.size += size
        return 0

    cdef int prepend_bytes(self, bytes data) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        if size < LONG:
            return self.prepend(PyBytes_AS_STRING(data), size)
        if size > PY_SSIZE_T_MAX - self.size:
            raise OverflowError("more bytes than can be counted")
        link_first(self, new_chunk(CONSTANT, <PyObject*>data, PyBytes_AS_STRING(data), size, 0))
        self.size += size
        return 0

    cdef int take(self, Chain other, Py_ssize_t size) except -1:
        # The first `size` bytes of another chain, which has as many; all of them or, in want of
        # memory, none. A few bytes are copied: they would keep a whole block.
        cdef Chunk* chunk = other.first
        cdef Chunk* head = NULL
        cdef Chunk* part = NULL
        cdef Chunk* last
        cdef Py_ssize_t whole = 0, rest
        if size > PY_SSIZE_T_MAX - self.size:
            raise OverflowError("more bytes than can be counted")
        while chunk != NULL and whole + chunk.size <= size:
            whole += chunk.size
            chunk = chunk.next
        if whole and is_sparse(other.first, other.first.size):
            head = copied(self, other.first, other.first.size)
        if whole < size:
            rest = size - whole
            try:
                if is_sparse(chunk, rest):
                    part = copied(self, chunk, rest)
                else:
                    part = new_chunk(chunk.kind, chunk.owner, chunk.data, rest, chunk.offset)
            except MemoryError:
                free_chunks(head)
                raise
        self.size += size
        if head != NULL:
            whole -= head.size
            free_chunks(detach(other, head.size, &last))
            link_all(self, head, head)
        chunk = detach(other, whole, &last)
        if chunk != NULL:
            link_all(self, chunk, last)
        if part != NULL:
            detach(other, part.size, &last)
            link_all(self, part, part)
        rewind(other)
        return 0

    cdef void drop(self, Py_ssize_t size) noexcept:
        # So many bytes, from the first on, are done with; there are as many.
        cdef Chunk* last
        cdef Chunk* chunk = detach(self, size, &last)
        if chunk != NULL:
            free_chunks(chunk)
            rewind(self)

    cdef void clear(self) noexcept:
        cdef Chunk* chunk = self.first
        self.first = NULL
        self.last = NULL
        self.size = 0
        free_chunks(chunk)
        rewind(self)

    cdef bint shrink(self) noexcept:
        # What little is left of a long block leaves it; whether the first chunk lies elsewhere now.
        cdef Chunk* first = self.first
        cdef PyObject* block
        if first == NULL or first.kind != OWN or room_of(first.owner) <= LARGEST_BLOCK:
            return False
        if not is_sparse(first, first.size):
            return False
        block = new_bytes(NULL, first.size)
        if block == NULL:
            PyErr_Clear()
            return False
        memcpy(memory_of(block), first.data, first.size)
        if self.block == first.owner:
            let_go(self.block)
            self.block = NULL
        let_go(first.owner)
        first.owner = block
        first.data = memory_of(block)
        return True

    cdef int pull_up(self, Py_ssize_t size) except -1:
        # The first `size` bytes, at least, into one piece; there are as many. Twice what lies
        # in one piece already, so that asking for one more and one more costs no more than once.
        cdef Chunk* chunk = self.first
        cdef Chunk* whole
        cdef Chunk* last
        cdef PyObject* block
        cdef Py_ssize_t wanted, capacity
        if size == 0 or chunk.size >= size and chunk.kind != FILE:
            return 0
        wanted = size if chunk.kind == FILE else max(size, chunk.size * 2)
        wanted = min(self.size, max(wanted, <Py_ssize_t>BLOCK))
        capacity = wanted
        if wanted == self.size:
            capacity += wanted // 4  # what comes next is to lie behind it
        block = new_block(NULL, max(capacity, <Py_ssize_t>BLOCK))
        try:
            self.copy_out(0, memory_of(block), wanted)
            whole = new_chunk(OWN, block, memory_of(block), wanted, 0)
        finally:
            let_go(block)
        if wanted == self.size:
            hold(block)
            let_go(self.block)
            self.block = block
            self.used = wanted
        chunk = detach(self, wanted, &last)
        link_first(self, whole)
        self.size += wanted
        free_chunks(chunk)
        return 1

    cdef int load(self, Chunk* chunk) noexcept:
        # A file's chunk becomes memory, as much of it as a block takes, with the rest behind it;
        # -1 with errno where that fails.
        cdef Py_ssize_t size = min(chunk.size, <Py_ssize_t>LARGEST_BLOCK)
        cdef Chunk* rest = NULL
        cdef PyObject* block
        if size < chunk.size:
            rest = <Chunk*>malloc(sizeof(Chunk))
            if rest == NULL:
                set_errno(ENOMEM)
                return -1
        block = (<File>chunk.owner).read(chunk.offset, size)
        if block == NULL:
            free(rest)
            return -1
        if rest != NULL:
            rest[0] = chunk[0]
            rest.size -= size
            rest.offset += size
            hold(rest.owner)
            chunk.next = rest
            if self.last == chunk:
                self.last = rest
        let_go(chunk.owner)
        chunk.owner = block
        chunk.kind = OWN
        chunk.data = memory_of(block)
        chunk.size = size
        return 0

    cdef int copy_out(self, Py_ssize_t start, char* target, Py_ssize_t size) except -1:
        # There are `start + size` bytes. What lies in a file is read past the chain.
        cdef Chunk* chunk = self.first
        cdef Py_ssize_t piece
        while size:
            if start >= chunk.size:
                start -= chunk.size
                chunk = chunk.next
                continue
            if chunk.kind == FILE and self.load(chunk) < 0:
                return load_error()
            piece = min(size, chunk.size - start)
            memcpy(target, chunk.data + start, piece)
            target += piece
            size -= piece
            start += piece
        return 0

    cdef bint has_references(self) noexcept:
        # Whether to drop some of it may run Python code.
        cdef Chunk* chunk = self.first
        while chunk != NULL and chunk.kind != REFERENCE:
            chunk = chunk.next
        return chunk != NULL

    cdef Py_ssize_t first_piece(self, char** where) noexcept:
        # What comes first and lies in one place; -1 with errno where a file cannot be read.
        if self.first.kind == FILE and self.load(self.first) < 0:
            return -1
        where[0] = self.first.data
        return self.first.size


cdef int make_room(Chain chain, Py_ssize_t size) except -1:
    # The next block: its rest is left where it is too little, which is less than half of it.
    cdef Py_ssize_t capacity = BLOCK
    cdef PyObject* block
    if chain.block != NULL:
        capacity = max(capacity, min(<Py_ssize_t>LARGEST_BLOCK, room_of(chain.block) * 2))
    block = new_block(NULL, max(capacity, size))
    let_go(chain.block)
    chain.block = block
    chain.used = 0
    return 0


cdef void adopt_block(Chain chain, PyObject* block, Py_ssize_t used) noexcept:
    # What comes next goes there, if it has more room.
    if room_of(block) - used > chain.room():
        hold(block)
        let_go(chain.block)
        chain.block = block
        chain.used = used


cdef Chunk* copied(Chain chain, Chunk* chunk, Py_ssize_t size) except NULL:
    # The first bytes of a chunk in the chain's own block, not linked yet.
    cdef Chunk* copy
    if chain.room() < size:
        make_room(chain, size)
    copy = new_chunk(OWN, chain.block, memory_of(chain.block) + chain.used, size, 0)
    memcpy(copy.data, chunk.data, size)
    chain.used += size
    return copy


cdef Chunk* new_chunk(
    Kind kind, PyObject* owner, char* data, Py_ssize_t size, Py_ssize_t offset
) except NULL:
    global freed, freed_count
    cdef Chunk* chunk = freed
    if chunk != NULL:
        freed = chunk.next
        freed_count -= 1
    else:
        chunk = <Chunk*>malloc(sizeof(Chunk))
        if chunk == NULL:
            PyErr_NoMemory()
    hold(owner)
    chunk.next = NULL
    chunk.owner = owner
    chunk.data = data
    chunk.size = size
    chunk.offset = offset
    chunk.kind = kind
    return chunk


cdef void free_chunks(Chunk* chunk) noexcept:
    # A reference may be the last one to a buffer, that to another, and so on: deep down they wait.
    global freed, freed_count, depth, deferred
    cdef Chunk* following
    cdef PyObject* owner
    while chunk != NULL:
        following = chunk.next
        if chunk.kind == REFERENCE and depth == DEEPEST:
            chunk.next = deferred
            deferred = chunk
            chunk = following
            continue
        owner = chunk.owner
        if freed_count < MOST_FREED:
            chunk.next = freed
            freed = chunk
            freed_count += 1
        else:
            free(chunk)
        depth += 1
        let_go(owner)
        depth -= 1
        chunk = following
        if chunk == NULL and depth == 0:
            chunk = deferred
            deferred = NULL


cdef inline void link(Chain chain, Chunk* chunk) noexcept:
    if chain.last == NULL:
        chain.first = chunk
    else:
        chain.last.next = chunk
    chain.last = chunk


cdef void link_first(Chain chain, Chunk* chunk) noexcept:
    chunk.next = chain.first
    chain.first = chunk
    if chain.last == NULL:
        chain.last = chunk


cdef void link_all(Chain chain, Chunk* first, Chunk* last) noexcept:
    # What goes on where the last chunk ends becomes part of it: a block moved byte by byte is one.
    cdef Chunk* end = chain.last
    cdef Chunk* following = first.next
    if (
        end != NULL and end.kind == first.kind and end.owner == first.owner
        and (
            end.offset + end.size == first.offset if end.kind == FILE
            else end.data + end.size == first.data
        )
    ):
        end.size += first.size
        first.next = NULL
        free_chunks(first)
        if following == NULL:
            return
        first = following
    link(chain, first)
    chain.last = last


cdef inline Chunk* detach(Chain chain, Py_ssize_t size, Chunk** last) noexcept:
    # Takes so many bytes from the front; the chunks that were used up are the caller's to free.
    cdef Chunk* taken = chain.first
    cdef Chunk* chunk = taken
    chain.size -= size
    last[0] = NULL
    while size and size >= chunk.size:
        size -= chunk.size
        last[0] = chunk
        chunk = chunk.next
    if size:
        chunk.size -= size
        if chunk.kind == FILE:
            chunk.offset += size
        else:
            chunk.data += size
    if last[0] == NULL:
        return NULL
    last[0].next = NULL
    chain.first = chunk
    if chunk == NULL:
        chain.last = NULL
    return taken


cdef inline void rewind(Chain chain) noexcept:
    # An empty chain keeps one small block; a long one would be its peak for ever.
    if chain.first != NULL or chain.block == NULL:
        return
    if room_of(chain.block) != BLOCK:
        let_go(chain.block)
        chain.block = NULL
    elif references(chain.block) == 1:
        chain.used = 0


cdef inline bint is_sparse(Chunk* chunk, Py_ssize_t size) noexcept:
    return chunk.kind == OWN and (size < LONG or size < room_of(chunk.owner) // SPARSE)


cdef int load_error() except -1:
    PyErr_SetFromErrno(OSError)
    return -1
