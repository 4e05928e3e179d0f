# Ownership: scopes, and the timers, tasks and things they own. Knows no descriptor and no poller.

from tether.engine.waiter cimport Awaiting, Dispatcher, Waiter
from tether.engine.work cimport Work

cdef enum:
    OPEN = 0
    CLOSING = 1
    CLOSED = 2


cdef class Member(Work)
cdef class Scope(Member)
cdef class Lateness(Work)
cdef class OwnedTask(Member)
cdef class Driver(OwnedTask)
cdef class Alarm(Work)


cdef class Member(Work):
    cdef Scope owner
    cdef Member previous, next
    cdef bint is_waited  # the owner is closed only after it
    cdef bint is_held    # the owner ends it itself, when its tasks have ended
    cdef int end(self, object cause) except -1
    cdef int leave(self) except -1


cdef class Timer(Member):
    cdef double when, interval
    cdef object callback
    cdef tuple args


cdef class OwnedTask(Member):
    cdef object task


cdef class Driver(OwnedTask):
    cdef Scope session
    cdef Lateness lateness
    cdef int limit(self) except -1


cdef class Lateness(Work):
    cdef Driver driver


cdef class Alarm(Work):
    cdef Scope scope
    cdef int kind


cdef class Scope(Member):
    cdef object __weakref__
    cdef Dispatcher engine
    cdef Member first
    cdef object context, cause, closers, waiters, label
    cdef Alarm linger_alarm
    cdef Driver driver
    cdef double linger_time, created
    cdef Py_ssize_t waiting
    cdef unsigned char state
    cdef bint is_session    # a failure below it closes it, and stops there
    cdef bint is_aborting, is_queued, is_finishing, is_released, is_late, is_told
    cdef int attach(self, Member member) except -1
    cdef int adopt(self, Scope child, bint held) except -1
    cdef int guard(self) except -1
    cdef int check(self) except -1
    cdef object own_context(self)
    cdef object invoke(self, object callback, tuple args)
    cdef object invoke_one(self, object callback, object argument)
    cdef int contain(self, object error) except -1
    cdef int start_closing(self, object cause) except -1
    cdef int start_abort(self, object cause) except -1
    cdef int schedule(self) except -1
    cdef int release(self) except -1
    cdef Alarm set_alarm(self, double seconds, int kind)
    cdef int drop_alarm(self, Alarm alarm) except -1
    cdef object closed_error(self)
    cdef object ended_error(self, bint has_waited)
    cdef Driver start_driver(self, object coroutine, Scope session)
    # What a kind of scope fills in:
    cdef int on_closing(self) except -1
    cdef int on_finish(self) except -1
    cdef int on_abort(self) except -1
    cdef int on_alarm(self, int kind) except -1
    cdef int member_closed(self, Scope member) except -1
    cdef int on_closed(self) except -1
