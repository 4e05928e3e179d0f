# asyncio's readers and writers of a descriptor. Knows the poller and handles, no transport.

from libc.stdint cimport uint32_t

from tether.engine.poller cimport HANGUP, READ, WRITE


cdef class Descriptor(Source):
    """What `add_reader` and `add_writer` set on one descriptor: level-triggered, as asyncio has it."""

    cdef int on_event(self, uint32_t what) except -1:
        # A hang-up is told to whoever is there: reading or writing will show the error.
        if what & ~<uint32_t>WRITE and self.reader is not None and not self.reader.is_cancelled:
            self.engine.ready.push(self.reader)
        if what & ~<uint32_t>READ and self.writer is not None and not self.writer.is_cancelled:
            self.engine.ready.push(self.writer)
        return 0
