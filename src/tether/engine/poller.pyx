# The poller interface, and sources: scopes with a descriptor. Knows no stream and no loop.
#
# Descriptors are not identities. The poller's table is the only place that looks an object up by
# its number; every event carries the generation of the slot it was polled for, and one that does
# not match is dropped: it belongs to a source that is gone.

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EMFILE
from libc.math cimport ceil
from libc.string cimport memset


cdef class Source(Scope):
    """A scope with a descriptor that a poller watches."""

    cdef int on_event(self, uint32_t what) except -1:
        # The poller reports; called from the top of the dispatch.
        return 0

    cdef int flush(self) except -1:
        # Send what was written while events were served.
        return 0

    cdef int read_pending(self) except -1:
        # Go on reading: it stopped early, and no new edge will come.
        return 0

    cdef object described(self):
        # Who is served, for the warnings of debug mode.
        return self

    cdef bint give_way(self) except -1:
        # Its number is another file's now. True where it let go; who owns his file cannot.
        return False

    cdef int forsake(self) except -1:
        # In a forked child: this process's copy of the descriptor goes, the connection stays.
        return 0


cdef class Poller:
    """What reports descriptors that are ready. `edge`, `early_close` and `max_fd` say what it can.

    `edge`: the system itself reports changes only, on request. `early_close`: tells that the peer
    closed while nobody reads. `max_fd`: the highest descriptor it watches, -1 where there is no
    such limit.
    """

    def __cinit__(self, *args):
        self.max_fd = -1
        self.slot_count = 64
        self.event_capacity = 512
        self.slots = <Slot*>PyMem_Calloc(self.slot_count, sizeof(Slot))
        self.events = <Event*>PyMem_Malloc(self.event_capacity * sizeof(Event))
        if self.slots == NULL or self.events == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef Py_ssize_t index
        if self.slots != NULL:
            for index in range(self.slot_count):
                if self.slots[index].source != NULL:
                    Py_DECREF(<object>self.slots[index].source)
            PyMem_Free(self.slots)
        PyMem_Free(self.events)

    def __len__(self):
        cdef Py_ssize_t index, count = 0
        for index in range(self.slot_count):
            count += self.slots[index].source != NULL
        return count

    cdef int watch(self, int descriptor, Source source, uint32_t interest) except -1:
        # From now on `source` is told of `interest` on `descriptor`. GONE, and nothing was done,
        # where it was told of another file of that number before.
        cdef Slot* slot
        cdef Source before
        if self.max_fd >= 0 and descriptor > self.max_fd:
            raise OSError(
                EMFILE,
                f"descriptor {descriptor} is above {self.max_fd}, the highest that {self.name} watches",
            )
        if descriptor >= self.slot_count:
            grow(self, descriptor)
        slot = &self.slots[descriptor]
        if slot.source != NULL and slot.source != <PyObject*>source:
            before = <Source>slot.source
            if self.apply(descriptor, slot.interest, slot.interest) != GONE or not before.give_way():
                raise RuntimeError(f"File descriptor {descriptor} is used by {before!r}")
            self.unwatch(descriptor)
            slot = &self.slots[descriptor]
        if slot.source == NULL:
            # The system forgot what was closed without a word; so must the table.
            self.apply(descriptor, 0, interest)
            self.generation += 1
            slot.generation = self.generation
            slot.source = <PyObject*>source
            Py_INCREF(source)
        elif self.apply(descriptor, slot.interest, interest) == GONE:
            return GONE
        slot.interest = interest
        return 0

    cdef int change(self, int descriptor, uint32_t interest) except -1:
        cdef Slot* slot = &self.slots[descriptor]
        if slot.interest != interest:
            self.apply(descriptor, slot.interest, interest)
            slot.interest = interest
        return 0

    cdef int unwatch(self, int descriptor) except -1:
        # Nobody is told of this descriptor any more, not even of what was polled already.
        cdef Slot* slot
        cdef PyObject* source
        if descriptor < 0 or descriptor >= self.slot_count:
            return 0
        slot = &self.slots[descriptor]
        source = slot.source
        if source == NULL:
            return 0
        slot.source = NULL
        self.apply(descriptor, slot.interest, 0)
        slot.interest = 0
        Py_DECREF(<object>source)
        return 0

    cdef Source lookup(self, int descriptor):
        if descriptor < 0 or descriptor >= self.slot_count:
            return None
        if self.slots[descriptor].source == NULL:
            return None
        return <Source>self.slots[descriptor].source

    cdef int poll(self, double timeout) except -1:
        # Waits up to `timeout` seconds (below 0: for ever) and fills `events`.
        raise NotImplementedError

    cdef int apply(self, int descriptor, uint32_t before, uint32_t after) except -1:
        # Tells the system what to watch; 0 means nothing. GONE where it was to change what is
        # watched, and the number means another file by now.
        raise NotImplementedError

    cdef int arm(self, int descriptor, uint32_t what) except -1:
        # What `rearm` does where the system reports levels.
        return 0

    cdef int add_event(self, int descriptor, uint32_t what) except -1:
        # For the source that is watched now.
        cdef Event* event
        if self.event_count == self.event_capacity:
            more_events(self)
        event = &self.events[self.event_count]
        event.descriptor = descriptor
        event.generation = self.slots[descriptor].generation
        event.what = what
        self.event_count += 1
        return 0

    cdef int shut(self) except -1:
        # Forgets every source, and gives back the poller's own descriptor.
        cdef Py_ssize_t index
        cdef PyObject* source
        for index in range(self.slot_count):
            source = self.slots[index].source
            if source != NULL:
                self.slots[index].source = NULL
                Py_DECREF(<object>source)
        return 0


cdef int grow(Poller poller, int descriptor) except -1:
    cdef Py_ssize_t count = poller.slot_count
    cdef Slot* slots
    while count <= descriptor:
        count *= 2
    slots = <Slot*>PyMem_Realloc(poller.slots, count * sizeof(Slot))
    if slots == NULL:
        raise MemoryError
    memset(&slots[poller.slot_count], 0, (count - poller.slot_count) * sizeof(Slot))
    poller.slots = slots
    poller.slot_count = count
    return 0


cdef int more_events(Poller poller) except -1:
    cdef Event* events = <Event*>PyMem_Realloc(
        poller.events, 2 * poller.event_capacity * sizeof(Event)
    )
    if events == NULL:
        raise MemoryError
    poller.events = events
    poller.event_capacity *= 2
    return 0


cdef int milliseconds(double timeout) noexcept:
    # As epoll and poll want it; rounded up, so that a timer fires late and never early.
    return -1 if timeout < 0 else <int>ceil(min(timeout, 86400.0) * 1000.0)
