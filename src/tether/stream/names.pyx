# A sockaddr's names: as people write them, and as Python's sockets do. Knows addresses only.

from libc.string cimport memcpy

cdef extern from "<arpa/inet.h>" nogil:
    const char* inet_ntop(int family, const void* address, char* text, unsigned int size)
    unsigned short ntohs(unsigned short value)
    unsigned int ntohl(unsigned int value)
    enum:
        AF_INET
        AF_INET6


cdef object read_address(unsigned char* raw):
    # A sockaddr as people write it; an IPv4 address that a socket of both families wrapped up
    # (RFC 4291, section 2.5.5.2) as the IPv4 address that it is.
    cdef object name = socket_name(raw)
    if name is None:
        return "unix:"
    if is_mapped(raw):
        return f"{name[0].rpartition(':')[2]}:{name[1]}"
    return f"{name[0]}:{name[1]}" if len(name) == 2 else f"[{name[0]}]:{name[1]}"


cdef object socket_name(unsigned char* raw):
    # A sockaddr as Python's sockets write it, None where it is not the internet's.
    cdef char text[64]
    cdef unsigned short family, port
    cdef unsigned int flow, scope
    memcpy(&family, raw, 2)
    memcpy(&port, raw + 2, 2)
    if family == AF_INET:
        inet_ntop(AF_INET, raw + 4, text, sizeof(text))
        return text.decode("ascii"), ntohs(port)
    if family == AF_INET6:
        memcpy(&flow, raw + 4, 4)
        memcpy(&scope, raw + 24, 4)
        inet_ntop(AF_INET6, raw + 8, text, sizeof(text))
        return text.decode("ascii"), ntohs(port), ntohl(flow), scope
    return None


cdef bint is_mapped(unsigned char* raw) noexcept:
    # ::ffff:192.0.2.1
    cdef unsigned short family
    cdef int index
    memcpy(&family, raw, 2)
    if family != AF_INET6:
        return False
    for index in range(8, 18):
        if raw[index]:
            return False
    return raw[18] == 0xFF and raw[19] == 0xFF
