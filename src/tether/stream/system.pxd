# The system calls that streams make, as C has them. Knows sockets' numbers only.

cdef extern from "<sys/socket.h>" nogil:
    struct linger:
        int l_onoff
        int l_linger
    ssize_t recv(int fd, void* data, size_t size, int flags)
    ssize_t c_send "send" (int fd, const void* data, size_t size, int flags)
    int shutdown(int fd, int how)
    int setsockopt(int fd, int level, int option, const void* value, unsigned int size)
    enum:
        MSG_NOSIGNAL
        SHUT_WR
        SOL_SOCKET
        SO_LINGER

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        char* iov_base
        size_t iov_len
    ssize_t readv(int fd, const iovec* pieces, int count)

cdef extern from *:
    """
    #include <errno.h>
    static void tether_set_errno(int number) { errno = number; }
    """
    void set_errno "tether_set_errno" (int number) noexcept nogil
