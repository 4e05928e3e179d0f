# The outcome of a send that was taken at once. Knows nothing: there is one for all.


cdef class Taken:
    pass


cdef Taken TAKEN
