# Signals, counted as they come and told to scopes. Knows scopes and a poller, no loop.

from tether.engine.members cimport Member
from tether.engine.poller cimport Poller, Source
from tether.engine.scope cimport Scope
from tether.engine.waiter cimport Dispatcher


cdef class Signals(Source):
    cdef Poller poller
    cdef int slot, reading, writing
    cdef list members
    cdef int add(self, Signal member) except -1
    cdef int remove(self, Signal member) except -1


cdef class Signal(Member):
    cdef Signals signals
    cdef object callback
    cdef tuple args
    cdef readonly int number
    cdef readonly unsigned long long count, latest
    cdef unsigned long long seen


cdef Signals make_signals(Dispatcher loop, Poller poller)
cdef Signal start_signal(Signals signals, Scope scope, object number, object callback, tuple args)
cdef int share_signal(int number) except -1
cdef int forget_signals() except -1
