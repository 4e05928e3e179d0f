# Socket addresses between the system's form and Python's tuples. Knows no socket and no loop.
#
# What is not plain (names to look up, scopes by name, odd types) is left to the socket module: then
# `to_sockaddr` says no, and whoever asked calls the socket's own method, which also raises.

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy, memset, strlen

from tether.stream.names cimport socket_name

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char* text, void* address)
    uint16_t htons(uint16_t value)
    uint32_t htonl(uint32_t value)
    enum:
        AF_INET
        AF_INET6
        AF_UNIX

cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        unsigned char s6_addr[16]
    struct sockaddr_in:
        unsigned short sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id

cdef extern from "<sys/un.h>" nogil:
    struct sockaddr_un:
        unsigned short sun_family
        char sun_path[108]

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char* text, size_t most)

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    object PyUnicode_DecodeFSDefaultAndSize(const char* text, Py_ssize_t size)

cdef Py_ssize_t PATH_AT = <Py_ssize_t>sizeof(sockaddr_un) - 108


cdef bint knows_family(int family) noexcept:
    return family == AF_INET or family == AF_INET6 or family == AF_UNIX


cdef object from_sockaddr(Address* address):
    # What the socket module makes of it: a pair, a quadruple, a path, or None where there is none.
    cdef sockaddr_un* local = <sockaddr_un*>&address.raw
    cdef Py_ssize_t size = <Py_ssize_t>address.size - PATH_AT
    if address.size == 0:
        return None
    if address.raw.ss_family != AF_UNIX:
        return socket_name(<unsigned char*>&address.raw)
    if size > 0 and local.sun_path[0] == 0:
        return PyBytes_FromStringAndSize(local.sun_path, size)
    return PyUnicode_DecodeFSDefaultAndSize(local.sun_path, strnlen(local.sun_path, max(size, 0)))


cdef bint to_sockaddr(int family, object name, Address* address) except -1:
    if family == AF_UNIX:
        return to_unix(name, address)
    if type(name) is not tuple:
        return False
    if family == AF_INET:
        return to_four(<tuple>name, address)
    return to_six(<tuple>name, address)


cdef bint to_four(tuple name, Address* address) except -1:
    cdef sockaddr_in* four = <sockaddr_in*>&address.raw
    cdef uint16_t port
    if len(name) != 2 or not to_port(name[1], &port):
        return False
    memset(four, 0, sizeof(four[0]))
    four.sin_family = AF_INET
    four.sin_port = htons(port)
    address.size = sizeof(four[0])
    return to_host(AF_INET, name[0], &four.sin_addr)


cdef bint to_six(tuple name, Address* address) except -1:
    cdef sockaddr_in6* six = <sockaddr_in6*>&address.raw
    cdef uint16_t port
    cdef object flow = 0, scope = 0
    if not 2 <= len(name) <= 4 or not to_port(name[1], &port):
        return False
    if len(name) > 2:
        flow = name[2]
    if len(name) > 3:
        scope = name[3]
    if type(flow) is not int or type(scope) is not int:
        return False
    if not 0 <= flow <= 0xFFFFF or not 0 <= scope <= 0xFFFFFFFF:
        return False
    memset(six, 0, sizeof(six[0]))
    six.sin6_family = AF_INET6
    six.sin6_port = htons(port)
    six.sin6_flowinfo = htonl(flow)
    six.sin6_scope_id = scope
    address.size = sizeof(six[0])
    return to_host(AF_INET6, name[0], &six.sin6_addr)


cdef bint to_port(object number, uint16_t* port) except -1:
    if type(number) is not int or not 0 <= number <= 0xFFFF:
        return False
    port[0] = number
    return True


cdef bint to_host(int family, object host, void* where) except -1:
    # Only a literal address; a name would be looked up.
    cdef const char* text
    cdef Py_ssize_t size
    if type(host) is not str or not host.isascii():
        return False
    text = PyUnicode_AsUTF8AndSize(host, &size)
    return <Py_ssize_t>strlen(text) == size and inet_pton(family, text, where) == 1


cdef bint to_unix(object name, Address* address) except -1:
    cdef sockaddr_un* local = <sockaddr_un*>&address.raw
    cdef bytes path
    cdef Py_ssize_t size
    cdef bint is_abstract
    if type(name) is str:
        path = os.fsencode(name)
    elif type(name) is bytes:
        path = name
    else:
        return False
    size = PyBytes_GET_SIZE(path)
    if size == 0 or (PyBytes_AS_STRING(path)[0] != 0 and 0 in path):
        return False
    is_abstract = PyBytes_AS_STRING(path)[0] == 0
    if size + (not is_abstract) > 108:
        return False
    memset(local, 0, sizeof(local[0]))
    local.sun_family = AF_UNIX
    memcpy(local.sun_path, PyBytes_AS_STRING(path), size)
    address.size = PATH_AT + size + (0 if is_abstract else 1)
    return True
