# asyncio's datagram transport on the poller. Knows sockets and their addresses, no stream.

from tether.aio.endpoint cimport WritingEndpoint
from tether.aio.sockaddr cimport Address


cdef class DatagramTransport(WritingEndpoint):
    cdef object address     # who was given to create_datagram_endpoint: sendto goes there only
    cdef object queue       # (bytes, address) that the system had no room for
    cdef object sender, receiver       # the addresses that came and went last, as Python has them
    cdef Address sender_raw, receiver_raw
    cdef int family
    cdef int burst          # how many datagrams to take at the next event
    cdef bint is_native, is_connected
    cdef int receive(self) except -1
    cdef int receive_one(self) except -1
    cdef int hand_over(self, object data, object address) except -1
    cdef object sender_name(self, Address* raw)
    cdef bint send_one(self, object data, object address) except -1
    cdef int send_queued(self) except -1
    cdef int error_came(self, object error) except -1
    cdef int drop_first(self, bytes data) except -1
