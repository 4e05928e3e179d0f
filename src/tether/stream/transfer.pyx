# Between chains and descriptors: the system calls, each once.
# Knows chains and the numbers of descriptors; no stream and no loop.
#
# All return what the system took or gave, or -1 with errno set, and change no chain: Python code may
# run when chunks are dropped.

from libc.errno cimport EINVAL, EIO, ENOSYS, EOPNOTSUPP, EOVERFLOW, errno
from libc.string cimport memset
from posix.types cimport off_t

from tether.stream.chain cimport FILE, Chunk
from tether.stream.referred cimport File
from tether.stream.system cimport MSG_NOSIGNAL, c_send, iovec, readv, set_errno

cdef extern from "<sys/uio.h>" nogil:
    ssize_t writev(int fd, const iovec* pieces, int count)

cdef extern from "<sys/socket.h>" nogil:
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t sendmsg(int fd, const msghdr* message, int flags)

cdef extern from *:
    """
    #include <errno.h>
    #include <sys/socket.h>
    #ifdef __linux__
    #include <sys/sendfile.h>
    static ssize_t tether_sendfile(int out, int in, off_t offset, size_t size) {
        return sendfile(out, in, &offset, size);
    }
    #else /* other systems have others of that name: there the file is read, and sent */
    static ssize_t tether_sendfile(int out, int in, off_t offset, size_t size) {
        errno = ENOSYS;
        return -1;
    }
    #endif
    #ifndef MSG_MORE
    #define MSG_MORE 0
    #endif
    """
    ssize_t sendfile "tether_sendfile" (int out, int source, off_t offset, size_t size) nogil
    enum:
        MSG_MORE

cdef extern from "Python.h":
    char* memory_of "PyBytes_AS_STRING" (void* block) noexcept
    Py_ssize_t room_of "PyBytes_GET_SIZE" (void* block) noexcept

cdef enum:
    VECTORS = 64
    SENT_AT_ONCE = 1024 * 1024  # of a file: others want their turn


cdef Py_ssize_t send(Chain chain, int descriptor) noexcept:
    # To a socket that does not block.
    cdef iovec vectors[VECTORS]
    cdef msghdr message
    cdef Chunk* chunk = chain.first
    cdef int flags = MSG_NOSIGNAL
    if chunk.kind == FILE:
        return write_file(chain, descriptor, chunk.size)
    if chunk.next == NULL:
        return c_send(descriptor, chunk.data, chunk.size, flags)
    memset(&message, 0, sizeof(message))
    message.msg_iov = vectors
    message.msg_iovlen = gather(chain, vectors, chain.size, &chunk)
    if chunk != NULL and chunk.kind == FILE:
        flags |= MSG_MORE  # what comes before a file waits for it
    return sendmsg(descriptor, &message, flags)


cdef Py_ssize_t write(Chain chain, int descriptor, Py_ssize_t limit) noexcept:
    # To any descriptor, which may block: nobody may change the chain until it returns.
    cdef iovec vectors[VECTORS]
    cdef Chunk* following
    cdef Py_ssize_t taken
    cdef int count
    if chain.first.kind == FILE:
        return write_file(chain, descriptor, limit)
    count = gather(chain, vectors, limit, &following)
    with nogil:
        taken = writev(descriptor, vectors, count)
    return taken


cdef int gather(
    Chain chain, iovec* vectors, Py_ssize_t limit, Chunk** following
) noexcept:
    # What lies in memory before the first file, as vectors of no more than `limit` bytes.
    cdef Chunk* chunk = chain.first
    cdef int count = 0
    while chunk != NULL and chunk.kind != FILE and count < VECTORS and limit > 0:
        vectors[count].iov_base = chunk.data
        vectors[count].iov_len = min(chunk.size, limit)
        limit -= vectors[count].iov_len
        chunk = chunk.next
        count += 1
    following[0] = chunk
    return count


cdef Py_ssize_t write_file(Chain chain, int descriptor, Py_ssize_t limit) noexcept:
    cdef Chunk* chunk = chain.first
    cdef File file = <File>chunk.owner
    cdef Py_ssize_t size = min(min(chunk.size, limit), <Py_ssize_t>SENT_AT_ONCE)
    cdef off_t offset = chunk.offset
    cdef Py_ssize_t taken
    with nogil:
        taken = sendfile(descriptor, file.descriptor, offset, size)
    if taken == 0:
        set_errno(EIO)  # the file is shorter than it was
        return -1
    if taken < 0 and errno in (EINVAL, ENOSYS, EOPNOTSUPP, EOVERFLOW):
        # Not from this file, or not to that: it goes through memory.
        if chunk.kind == FILE and chain.load(chunk) < 0:
            return -1
        return write(chain, descriptor, limit)
    return taken


cdef Py_ssize_t read(Chain chain, int descriptor, Py_ssize_t limit, bytes block) noexcept:
    # Into what is left of the chain's own block, then into another; neither counts as filled yet.
    cdef iovec vectors[2]
    cdef Py_ssize_t room = min(limit, chain.room())
    cdef Py_ssize_t got
    cdef int count = 0
    if room:
        vectors[0].iov_base = memory_of(chain.block) + chain.used
        vectors[0].iov_len = room
        count = 1
    if limit > room:
        vectors[count].iov_base = memory_of(<void*>block)
        vectors[count].iov_len = min(limit - room, room_of(<void*>block))
        count += 1
    with nogil:
        got = readv(descriptor, vectors, count)
    return got
