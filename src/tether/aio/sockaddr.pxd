# Socket addresses between the system's form and Python's tuples. Knows no socket and no loop.


cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr:
        unsigned short sa_family
    struct sockaddr_storage:
        unsigned short ss_family


cdef struct Address:
    socklen_t size       # 0: none is known
    sockaddr_storage raw


cdef bint knows_family(int family) noexcept
cdef object from_sockaddr(Address* address)
cdef bint to_sockaddr(int family, object name, Address* address) except -1
