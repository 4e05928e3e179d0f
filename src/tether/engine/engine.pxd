# What asyncio and people call on the loop. Knows sources, scopes and the poller interface, no stream.

from tether.engine.passes cimport Passes
from tether.engine.scope cimport Scope
from tether.engine.signals cimport Signals


cdef class Engine(Passes):
    cdef Scope root
    cdef Signals signals
    cdef bint is_ending    # its scopes are being aborted, for it closes
