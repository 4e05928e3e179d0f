# asyncio's transport of a stream. Knows streams and asyncio's protocols, no listener and no TLS.

from tether.engine.engine cimport Engine
from tether.engine.work cimport Work
from tether.stream.channel cimport Channel, Consumer


cdef class SocketTransport(Consumer):
    cdef object protocol, server, waiter, emptiness
    cdef object data_received       # the protocol's method, looked up once
    cdef dict extra
    cdef Py_buffer view             # what the protocol lent to receive into
    cdef unsigned char local[28]    # our address, as the system gives it
    cdef bint has_view, is_buffered, is_begun, is_pausing, is_writing_paused, is_half_closed
    cdef Py_ssize_t high, low, refused_writes
    cdef int begin(self) except -1
    cdef int learn(self, object name) except -1
    cdef int refuse(self) except -1
    cdef int tell(self, str message, object error) except -1
    cdef object wait_for_room(self, bint is_full)
    cdef int take_bytes(self, char* data, Py_ssize_t size) except -1
    cdef bint call(self, object callback, object argument, str message) except -1
    cdef int fatal_error(self, object error, str message) except -1
    cdef int after_write(self) except -1
    cdef int borrow(self) except -1
    cdef int give_back(self, Py_ssize_t size) except -1


cdef class Begun(Work):
    cdef SocketTransport transport


cdef Begun begun(SocketTransport transport)
