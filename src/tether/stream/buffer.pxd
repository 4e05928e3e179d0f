# Bytes between those who write and those who read them, for Python and for the rooms above.
# Knows chains of chunks, no stream and no loop.

from tether.stream.chain cimport Chain
from tether.stream.changes cimport Changes
from tether.stream.search cimport LineEnd, Place
from tether.stream.views cimport Room, Viewed


cdef class Buffer(Viewed):
    cdef object __weakref__
    cdef Chain chain
    cdef Changes changes        # None: nobody was ever to be told
    cdef Room room              # what was reserved and not committed, and its view
    cdef object room_view
    cdef Place place            # where the last search was
    cdef Py_ssize_t looked      # so many bytes have no end of a line of that kind
    cdef LineEnd looked_for
    # What streams call, too. `check` first: whether the bytes may change.
    cdef int check(self) except -1
    cdef int remove(self, Py_ssize_t size) except -1
    cdef int move_into(self, Chain chain, Py_ssize_t size) except -1
    cdef int changed(self, Py_ssize_t added, Py_ssize_t drained) except -1
    cdef int removed(self, Py_ssize_t size) noexcept
    cdef Room take_room(self)
    cdef bytes copied(self, Py_ssize_t start, Py_ssize_t size)
    cdef char* join(self, Py_ssize_t size) except NULL
