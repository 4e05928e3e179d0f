# asyncio's pipe transports on the poller: FIFOs, sockets and character devices, one way each.

from tether.aio.endpoint cimport Endpoint, WritingEndpoint
from tether.stream.output cimport Output


cdef class ReadPipeTransport(Endpoint):
    cdef int end_of_file(self) except -1


cdef class WritePipeTransport(WritingEndpoint):
    cdef Output output
    cdef bint watches_reader    # the poller tells when the reading end is closed
    cdef int send(self) except -1
