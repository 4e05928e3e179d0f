# A scope's watch of a descriptor. Knows its scope and who else watches, no poller's kind.

from libc.errno cimport EBADF
from libc.stdint cimport uint32_t

from tether.engine.descriptor cimport number_of, start_watching
from tether.engine.members cimport let_go
from tether.engine.poller cimport CLOSED_BY_PEER, GONE, READ, WRITE

from tether.engine.events import describe_events
from tether.engine.members import named


cdef class Watch(Watcher):
    """A scope's watch of a descriptor, made by `scope.watch`, until it is cancelled or the scope closes.

    The descriptor stays open, and whoever opened it closes it. One that was closed is not watched
    any more, whatever file gets its number next.
    """

    @property
    def active(self):
        """Whether it will be told again."""
        return not self.is_cancelled and self.owner is not None

    @property
    def events(self):
        """What it watches for: a sum of READ, WRITE and CLOSED."""
        return self.interest

    def fileno(self):
        """The descriptor, or -1 once the watch has ended."""
        return self.descriptor.number if self.owner is not None else -1

    def change(self, events):
        """From now on watch for `events`.

        Raises:
            ValueError: the poller cannot do that, or it is no sum of READ, WRITE and CLOSED.
            RuntimeError: the watch has ended.
            OSError: the descriptor was closed; the watch has ended.
        """
        cdef uint32_t before = self.interest
        if self.owner is not None:
            self.owner.engine.check_thread()
        if self.is_cancelled or self.owner is None:
            raise RuntimeError("this watch has ended")
        self.interest = checked(self.descriptor.poller, events, False)
        try:
            if self.descriptor.tell_poller() != GONE:
                return
        except BaseException:
            self.interest = before
            raise
        self.end(None)
        raise OSError(EBADF, "the descriptor was closed")

    def cancel(self):
        """It is not told any more; calling this again has no effect. The descriptor stays open."""
        if self.owner is not None:
            self.owner.engine.check_thread()
        self.end(None)

    cdef int fire(self, uint32_t what) except -1:
        cdef Scope owner = <Scope>self.owner
        return owner.spawn_if(owner.invoke_one(self.callback, what))

    cdef int replaced(self) except -1:
        let_go(self.descriptor.engine, (self.callback, self.file))
        self.callback = None
        self.file = None
        self.descriptor.engine.watch_count -= 1
        return 0

    cdef int end(self, object cause) except -1:
        if self.is_cancelled or self.owner is None:
            return 0
        self.is_cancelled = True
        self.replaced()
        self.leave()
        return self.descriptor.remove(self)

    def __repr__(self):
        edge = " edge" if self.descriptor.is_edge else ""
        number = self.descriptor.number
        return f"<Watch {number} {describe_events(self.interest)}{edge} {named(self.callback)}>"


cdef uint32_t checked(Poller poller, object events, bint edge) except 0:
    cdef long wanted = events
    if wanted <= 0 or wanted & ~<long>(READ | WRITE | CLOSED_BY_PEER):
        raise ValueError(f"events is a sum of READ, WRITE and CLOSED, got {events}")
    if wanted & CLOSED_BY_PEER and not poller.early_close:
        raise ValueError(f"{poller.name} cannot tell that a peer closed before it is read: no CLOSED")
    if edge and not poller.edge:
        raise ValueError(f"{poller.name} cannot report changes only: no edge=True")
    return <uint32_t>wanted


cdef Watch start_watch(
    Scope scope, Poller poller, object fd, object events, object callback, bint edge
):
    cdef Watch watch = Watch.__new__(Watch)
    scope.check()
    if not callable(callback):
        raise TypeError(f"a watch needs something callable, got {callback!r}")
    watch.interest = checked(poller, events, edge)
    watch.callback = callback
    watch.file = fd  # a socket object that nobody else holds would close its descriptor
    start_watching(scope.engine, poller, number_of(fd), watch, edge)
    scope.attach(watch)
    scope.engine.watch_count += 1
    return watch
