# What waits to be sent: a chain that streams and pipes send from, and give back when it is empty.
# Knows a descriptor only to send to it; no stream, no loop.
#
# An idle stream has no output at all: emptied ones go back to a small pool with one block each.

cimport cython

from tether.stream.transfer cimport send, write

cdef enum:
    POOL = 64

# Emptied ones, each with the next; a Python list would be resized with every use.
cdef Output spare = None
cdef int spares = 0


@cython.final
@cython.no_gc  # a spare one refers to the next: no cycle, and nothing for the collector
cdef class Output(Chain):
    """Bytes waiting to be sent, in order."""

    cdef Py_ssize_t send(self, int descriptor) noexcept:
        # One system call; returns what it took, or -1 with errno set.
        cdef Py_ssize_t taken = send(self, descriptor)
        if taken > 0:
            self.drop(taken)
        return taken

    cdef Py_ssize_t write(self, int descriptor) noexcept:
        # The same for what is no socket.
        cdef Py_ssize_t taken = write(self, descriptor, self.size)
        if taken > 0:
            self.drop(taken)
        return taken


cdef Output take_output():
    global spare, spares
    cdef Output output = spare
    if output is None:
        return Output.__new__(Output)
    spare = output.next_spare
    output.next_spare = None
    spares -= 1
    return output


cdef int give_output(Output output) except -1:
    # Only an empty one is given back.
    global spare, spares
    if spares < POOL:
        output.next_spare = spare
        spare = output
        spares += 1
    return 0
