# How fast bytes may flow: buckets of tokens, alone or shared. Knows clocks and timers, no stream.

from tether.engine.waiter cimport Dispatcher
from tether.engine.work cimport Work


cdef class Bucket:
    cdef object __weakref__
    cdef Dispatcher engine          # from the first use on
    cdef double per_second, most    # tokens, one for each byte
    cdef double left, filled        # how many there are, and when that was
    cdef bint has_own_most
    cdef unsigned long long passed, wait_count
    cdef Refill refill              # the one timer, while somebody waits
    cdef int set_up(self, object rate, object burst) except -1
    cdef int join(self, Dispatcher engine) except -1
    cdef int fill(self) except -1
    cdef double enough(self) except -1
    cdef bint has(self, double wanted) except -1
    cdef int set_timer(self) except -1
    cdef int drop_timer(self) except -1
    cdef int change(self) except -1
    cdef int filled_up(self) except -1


cdef class Refill(Work):
    cdef Bucket bucket


cdef class RateLimit(Bucket):
    cdef RateLimitGroup shared
    cdef RateLimit previous, next   # in the group's queue
    cdef bint is_waiting, is_queued
    cdef double granted             # what the group gave and was not spent
    cdef Work user                  # whom it tells to go on
    cdef int begin(self, Dispatcher engine, Work user) except -1
    cdef Py_ssize_t allowance(self, Py_ssize_t wanted) except -1
    cdef int spend(self, Py_ssize_t size) except -1
    cdef bint is_held(self) noexcept
    cdef int give_up(self) except -1
    cdef int end(self) except -1


cdef class RateLimitGroup(Bucket):
    cdef double share
    cdef Py_ssize_t queued, members
    cdef RateLimit first, last
    cdef int ask(self, RateLimit limit, Py_ssize_t wanted) except -1
    cdef int enqueue(self, RateLimit limit) except -1
    cdef int dequeue(self, RateLimit limit) except -1
