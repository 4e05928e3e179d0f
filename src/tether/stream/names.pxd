# A sockaddr's names: as people write them, and as Python's sockets do. Knows addresses only.


cdef object read_address(unsigned char* raw)
cdef object socket_name(unsigned char* raw)
cdef bint is_mapped(unsigned char* raw) noexcept
