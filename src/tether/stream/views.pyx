# Views of memory for Python, each counted until it is released: memory that is seen stays.
# Knows whose memory it is only as something that counts.

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize


cdef class Viewed:
    """Whose bytes do not move while it counts views of them."""

    cdef object view(self, char* data, Py_ssize_t size):
        # Read only, of a part of them.
        cdef Piece piece
        self.exports += 1  # making it may run the collector, and that anything
        try:
            piece = Piece.__new__(Piece)
            piece.viewed = self
            piece.data = data
            piece.size = size
            return memoryview(piece)
        finally:
            self.exports -= 1


@cython.final
@cython.no_gc_clear  # a view may outlive what the collector clears first
cdef class Piece:
    # What such a view is a view of: once, and not again when that was released.
    cdef Viewed viewed
    cdef char* data
    cdef Py_ssize_t size, exports
    cdef bint is_used

    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.viewed is None or self.is_used and not self.exports:
            raise BufferError("this view was released")
        PyBuffer_FillInfo(view, self, self.data, self.size, 1, flags)
        self.is_used = True
        self.exports += 1
        self.viewed.exports += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.exports -= 1
        self.viewed.exports -= 1


@cython.final
cdef class Room:
    # Memory that somebody writes to, until it is taken back.

    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.is_taken or self.block is None:
            raise BufferError("this memory was taken back")
        PyBuffer_FillInfo(view, self, PyBytes_AS_STRING(self.block), self.size, 0, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.exports -= 1

    cdef int take_back(self, object view) except -1:
        # With the view that was handed out.
        view.release()
        if self.exports:
            raise BufferError("another view of the reserved memory is held")
        self.is_taken = True
        return 0


cdef Room new_room(Py_ssize_t size):
    cdef Room room = Room.__new__(Room)
    room.block = PyBytes_FromStringAndSize(NULL, size)
    room.size = size
    return room
