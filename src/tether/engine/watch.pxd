# A scope's watch of a descriptor. Knows its scope and who else watches, no poller's kind.

from tether.engine.descriptor cimport Watcher
from tether.engine.poller cimport Poller
from tether.engine.scope cimport Scope


cdef class Watch(Watcher):
    cdef object callback, file


cdef Watch start_watch(
    Scope scope, Poller poller, object fd, object events, object callback, bint edge
)
