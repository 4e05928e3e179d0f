# Ownership: a scope and its life. Knows its members, no descriptor and no poller.

from tether.engine.members cimport (
    CLOSED,
    CLOSING,
    OPEN,
    Alarm,
    Driver,
    Lateness,
    Member,
    Owned,
    OwnedTask,
    Owner,
    Timer,
    begin_entering,
    close_thing,
    has_entered,
)
from tether.engine.waiter cimport Awaiting, Dispatcher, Waiter


cdef class Scope(Owner):
    cdef object __weakref__
    cdef object context, cause, closers, waiters, label
    cdef Alarm linger_alarm
    cdef double created
    cdef bint is_session    # a failure below it closes it, and stops there
    cdef bint is_aborting, is_queued, is_finishing, is_released, is_late, is_told
    cdef int attach(self, Member member) except -1
    cdef int adopt(self, Scope child, bint held) except -1
    cdef int guard(self) except -1
    cdef int check(self) except -1
    cdef int check_cause(self, object cause) except -1
    cdef object own_context(self)
    cdef object invoke_one(self, object callback, object argument)
    cdef int start_abort(self, object cause) except -1
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
    cdef int member_closed(self, Scope member) except -1
    cdef int on_closed(self) except -1
