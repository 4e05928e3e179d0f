# Who watches one descriptor: scopes' watches, asyncio's reader and writer. Knows no transport.

from libc.stdint cimport uint32_t

from tether.engine.members cimport Member
from tether.engine.poller cimport Poller, Source
from tether.engine.waiter cimport Dispatcher
from tether.engine.work cimport Handle

cdef class Descriptor(Source)


cdef class Watcher(Member):
    cdef Descriptor descriptor
    cdef uint32_t interest
    cdef int fire(self, uint32_t what) except -1
    cdef int replaced(self) except -1


cdef class HandleWatcher(Watcher):
    cdef Handle handle


cdef class Descriptor(Source):
    cdef Poller poller
    cdef int number
    cdef bint is_edge
    cdef list watchers
    cdef Watcher only      # where there is one: it is told without a look at the list
    cdef int tell_poller(self) except -1
    cdef int remove(self, Watcher watcher) except -1


cdef int number_of(object fd) except -1
cdef int start_watching(
    Dispatcher loop, Poller poller, int number, Watcher watcher, bint edge
) except -1
cdef Handle set_handle(Dispatcher loop, Poller poller, object fd, Handle handle, uint32_t interest)
cdef bint remove_handle(Poller poller, object fd, uint32_t interest) except -1
