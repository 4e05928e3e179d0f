# asyncio's readers and writers of a descriptor. Knows the poller and handles, no transport.

from tether.engine.poller cimport Source
from tether.engine.work cimport Handle


cdef class Descriptor(Source):
    cdef Handle reader, writer
