# Views of memory for Python, each counted until it is released: memory that is seen stays.
# Knows whose memory it is only as something that counts.


cdef class Viewed:
    cdef Py_ssize_t exports  # views that somebody holds
    cdef object view(self, char* data, Py_ssize_t size)


cdef class Room:
    cdef bytes block
    cdef Py_ssize_t size, exports
    cdef bint is_taken
    cdef int take_back(self, object view) except -1


cdef Room new_room(Py_ssize_t size)
