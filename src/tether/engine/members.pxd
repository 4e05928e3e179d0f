# What a scope can own: timers, tasks, anything with `close()`. Knows an abstract owner, no scope.

from tether.engine.waiter cimport Dispatcher
from tether.engine.work cimport Work

cdef enum:
    OPEN = 0
    CLOSING = 1
    CLOSED = 2


cdef class Member(Work)
cdef class Owner(Member)
cdef class OwnedTask(Member)
cdef class Driver(OwnedTask)
cdef class Lateness(Work)


cdef class Member(Work):
    cdef Owner owner
    cdef Member previous, next
    cdef bint is_waited  # the owner is closed only after it
    cdef bint is_held    # the owner ends it itself, when its tasks have ended
    cdef int end(self, object cause) except -1
    cdef int leave(self) except -1


cdef class Owner(Member):
    cdef Dispatcher engine
    cdef Member first
    cdef Driver driver
    cdef double linger_time
    cdef Py_ssize_t waiting   # members that have to end before it is closed
    cdef unsigned char state
    cdef object invoke(self, object callback, tuple args)
    cdef int invoke_or_spawn(self, object callback, tuple args) except -1
    cdef int spawn_if(self, object result) except -1
    cdef int contain(self, object error) except -1
    cdef int schedule(self) except -1
    cdef int start_closing(self, object cause) except -1
    cdef int on_alarm(self, int kind) except -1


cdef class Timer(Member):
    cdef double when, interval
    cdef object callback
    cdef tuple args


cdef class OwnedTask(Member):
    cdef object task


cdef class Driver(OwnedTask):
    cdef Owner session
    cdef Lateness lateness
    cdef int cancel(self) except -1
    cdef int limit(self) except -1


cdef class Lateness(Work):
    cdef Driver driver


cdef class Alarm(Work):
    cdef Owner scope
    cdef int kind


cdef class Owned(Member):
    cdef Owner former
    cdef object thing


cdef int begin_entering(Dispatcher engine) except -1
cdef int has_entered(Dispatcher engine) except -1
cdef int close_thing(Owner owner, object thing) except -1
cdef int let_go(Dispatcher engine, object thing) except -1
