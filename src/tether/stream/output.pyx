# What waits to be sent: small writes gathered in blocks, long ones kept as references.
# Knows a descriptor only to send to it; no stream, no loop.
#
# An idle stream has no output at all: emptied ones go back to a small pool with one block each.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t writev(int fd, const iovec* pieces, int count)

cdef extern from "<sys/socket.h>" nogil:
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t sendmsg(int fd, const msghdr* message, int flags)
    ssize_t c_send "send" (int fd, const void* data, size_t size, int flags)
    enum:
        MSG_NOSIGNAL

cdef enum:
    BLOCK = 4096
    LARGEST_BLOCK = 65536
    LONG = 2048          # from this size a bytes object is referred to, not copied
    VECTORS = 64
    POOL = 64

# Emptied ones, each with the next; a Python list would be resized with every use.
cdef Output spare = None
cdef int spares = 0


@cython.no_gc  # a spare one refers to the next: no cycle, and nothing for the collector
cdef class Output:
    """Bytes waiting to be sent, in order."""

    def __cinit__(self):
        self.capacity = 4
        self.chunks = <Chunk*>PyMem_Malloc(self.capacity * sizeof(Chunk))
        if self.chunks == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.chunks != NULL:
            self.clear()
            PyMem_Free(self.chunks)

    cdef char* reserve(self, Py_ssize_t size) except NULL:
        # Room for `size` bytes that the caller writes at once; they count as waiting.
        cdef Chunk* chunk
        cdef Py_ssize_t capacity
        if self.count:
            chunk = &self.chunks[self.first + self.count - 1]
            if chunk.owner == NULL and chunk.capacity - chunk.end >= size:
                chunk.end += size
                self.size += size
                return chunk.data + chunk.end - size
            capacity = min(<Py_ssize_t>LARGEST_BLOCK, max(<Py_ssize_t>BLOCK, self.size))
        else:
            capacity = BLOCK
        capacity = max(capacity, size)
        chunk = add_chunk(self)
        chunk.owner = NULL
        chunk.data = <char*>malloc(capacity)
        if chunk.data == NULL:
            self.count -= 1
            raise MemoryError
        chunk.start = 0
        chunk.end = size
        chunk.capacity = capacity
        self.size += size
        return chunk.data

    cdef int append(self, const char* data, Py_ssize_t size) except -1:
        if size:
            memcpy(self.reserve(size), data, size)
        return 0

    cdef int append_bytes(self, bytes data) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Chunk* chunk
        if size < LONG:
            return self.append(PyBytes_AS_STRING(data), size)
        chunk = add_chunk(self)
        Py_INCREF(data)
        chunk.owner = <void*>data
        chunk.data = PyBytes_AS_STRING(data)
        chunk.start = 0
        chunk.end = size
        chunk.capacity = size
        self.size += size
        return 0

    cdef Py_ssize_t send(self, int descriptor) noexcept:
        # One system call; returns what it took, or -1 with errno set.
        cdef iovec vectors[VECTORS]
        cdef msghdr message
        cdef Chunk* chunk = &self.chunks[self.first]
        cdef Py_ssize_t taken
        if self.count == 1:
            taken = c_send(
                descriptor, chunk.data + chunk.start, chunk.end - chunk.start, MSG_NOSIGNAL
            )
        else:
            memset(&message, 0, sizeof(message))
            message.msg_iov = vectors
            message.msg_iovlen = gather(self, vectors)
            taken = sendmsg(descriptor, &message, MSG_NOSIGNAL)
        if taken > 0:
            self.drop(taken)
        return taken

    cdef Py_ssize_t first_piece(self, char** where) noexcept:
        # What comes first and lies in one place.
        cdef Chunk* chunk = &self.chunks[self.first]
        while chunk.start == chunk.end:
            chunk += 1
        where[0] = chunk.data + chunk.start
        return chunk.end - chunk.start

    cdef void drop(self, Py_ssize_t size) noexcept:
        # So many bytes, from the first on, are done with.
        cdef Chunk* chunk
        cdef Py_ssize_t length
        self.size -= size
        while size:
            chunk = &self.chunks[self.first]
            length = chunk.end - chunk.start
            if size < length:
                chunk.start += size
                return
            size -= length
            if self.count == 1 and chunk.owner == NULL and chunk.capacity == BLOCK:
                # The last block stays for the next write.
                chunk.start = 0
                chunk.end = 0
                self.chunks[0] = chunk[0]
                self.first = 0
                return
            drop_chunk(self)
        if self.count == 0:
            self.first = 0

    cdef Py_ssize_t write(self, int descriptor) noexcept:
        # The same for what is no socket.
        cdef iovec vectors[VECTORS]
        cdef Py_ssize_t taken = writev(descriptor, vectors, <int>gather(self, vectors))
        if taken > 0:
            self.drop(taken)
        return taken

    cdef int clear(self) noexcept:
        while self.count:
            drop_chunk(self)
        self.first = 0
        self.size = 0
        return 0


cdef Py_ssize_t gather(Output output, iovec* vectors) noexcept:
    cdef Chunk* chunk = &output.chunks[output.first]
    cdef Py_ssize_t index, number = min(output.count, <Py_ssize_t>VECTORS)
    for index in range(number):
        vectors[index].iov_base = chunk[index].data + chunk[index].start
        vectors[index].iov_len = chunk[index].end - chunk[index].start
    return number


cdef Chunk* add_chunk(Output output) except NULL:
    cdef Chunk* chunks
    cdef Py_ssize_t index
    if output.first + output.count == output.capacity:
        if output.first > 0:
            for index in range(output.count):
                output.chunks[index] = output.chunks[output.first + index]
            output.first = 0
        else:
            chunks = <Chunk*>PyMem_Realloc(output.chunks, output.capacity * 2 * sizeof(Chunk))
            if chunks == NULL:
                raise MemoryError
            output.chunks = chunks
            output.capacity *= 2
    output.count += 1
    return &output.chunks[output.first + output.count - 1]


cdef void drop_chunk(Output output) noexcept:
    cdef Chunk* chunk = &output.chunks[output.first]
    cdef void* owner = chunk.owner
    output.first += 1
    output.count -= 1
    if owner == NULL:
        free(chunk.data)
    else:
        Py_DECREF(<object>owner)


cdef Output take_output():
    global spare, spares
    cdef Output output = spare
    if output is None:
        return Output.__new__(Output)
    spare = output.next_spare
    output.next_spare = None
    spares -= 1
    return output


cdef int give_output(Output output) except -1:
    # Only an empty one is given back.
    global spare, spares
    if spares < POOL:
        output.next_spare = spare
        spare = output
        spares += 1
    return 0
