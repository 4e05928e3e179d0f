# How late the loop is. Knows seconds only.


cdef class Lag:
    cdef readonly double last, max, mean, total
    cdef readonly unsigned long long samples
    cdef int note(self, double seconds) except -1
