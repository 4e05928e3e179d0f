# Limits as people give them, where None switches one off. Knows numbers only.

from libc.math cimport INFINITY


cdef inline double seconds(object limit, str name) except -1:
    cdef double value = INFINITY if limit is None else limit
    if not value >= 0:
        raise ValueError(f"{name} is 0 seconds or more, got {limit}")
    return value


cdef inline Py_ssize_t count(object limit, str name) except -1:
    # 2**62 stands for no limit: room enough to add to it.
    cdef Py_ssize_t value = <Py_ssize_t>1 << 62 if limit is None else limit
    if value < 0:
        raise ValueError(f"{name} is 0 or more, got {limit}")
    return value
