# Who watches one descriptor: scopes' watches, asyncio's reader and writer. Knows no transport.
#
# The poller asks the system for what all of them want together; each is told of what it asked for.
# A number that was closed and handed out again means another file: the poller finds that out when
# somebody watches it anew, and then whoever watched the file before is let go, and never told.

from libc.stdint cimport uint32_t

from tether.engine.poller cimport EDGE, GONE, HANGUP


cdef class Watcher(Member):
    # One who wants to hear of a descriptor.

    cdef int fire(self, uint32_t what) except -1:
        return 0

    cdef int replaced(self) except -1:
        # Its descriptor was closed, and the number is another file's now.
        return 0


cdef class HandleWatcher(Watcher):
    # asyncio's reader or writer: a handle that is queued.

    cdef int fire(self, uint32_t what) except -1:
        if not self.handle.is_cancelled:
            self.descriptor.engine.ready.push(self.handle)
        return 0

    cdef int replaced(self) except -1:
        self.handle.cancel()
        return 0

    def __repr__(self):
        return repr(self.handle)


cdef class Descriptor(Source):
    """A descriptor that belongs to somebody else, and all who watch it."""

    cdef int on_event(self, uint32_t what) except -1:
        cdef Watcher watcher = self.only
        cdef object fatal = None
        if watcher is not None:
            return tell(watcher, what)
        # Those who are there now: one that a callback adds hears of what happens from then on. An
        # exit leaves when all were told: an edge comes only once.
        for watcher in tuple(self.watchers):
            try:
                tell(watcher, what)
            except BaseException as error:
                fatal = error
        if fatal is not None:
            raise fatal
        return 0

    cdef object described(self):
        return ", ".join([repr(watcher) for watcher in self.watchers])

    cdef bint give_way(self) except -1:
        cdef Watcher watcher
        for watcher in tuple(self.watchers):
            watcher.is_cancelled = True
            watcher.leave()
            watcher.replaced()
        self.watchers.clear()
        self.only = None
        return True

    cdef int tell_poller(self) except -1:
        # GONE where the number means another file by now.
        cdef uint32_t interest = EDGE if self.is_edge else 0
        cdef Watcher watcher
        self.only = self.watchers[0] if len(self.watchers) == 1 else None
        for watcher in self.watchers:
            interest |= watcher.interest
        return self.poller.watch(self.number, self, interest)

    cdef int remove(self, Watcher watcher) except -1:
        cdef list watchers = self.watchers
        if watcher not in watchers:
            return 0
        watchers.remove(watcher)
        if not watchers:
            self.only = None
            self.poller.unwatch(self.number)
        elif self.tell_poller() == GONE:
            replace(self)
        return 0


cdef inline int tell(Watcher watcher, uint32_t what) except -1:
    # A hang-up is told to whoever is there: reading or writing will show the error.
    cdef uint32_t told = watcher.interest if what & HANGUP else what & watcher.interest
    if told and not watcher.is_cancelled:
        watcher.fire(told)
    return 0


cdef int replace(Descriptor descriptor) except -1:
    cdef Descriptor kept = descriptor  # the poller may have held it alone
    kept.give_way()
    return kept.poller.unwatch(kept.number)


cdef int number_of(object fd) except -1:
    cdef int number
    if isinstance(fd, int):
        number = fd
    else:
        try:
            number = int(fd.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fd!r}") from None
    if number < 0:
        raise ValueError(f"Invalid file descriptor: {number}")
    return number


cdef int start_watching(
    Dispatcher loop, Poller poller, int number, Watcher watcher, bint edge
) except -1:
    cdef Source source = poller.lookup(number)
    cdef Descriptor descriptor
    if isinstance(source, Descriptor):
        descriptor = source
        watcher.descriptor = descriptor
        if descriptor.is_edge == edge:
            descriptor.watchers.append(watcher)
            try:
                if descriptor.tell_poller() != GONE:
                    return 0
            except BaseException:
                descriptor.watchers.remove(watcher)
                raise
            descriptor.watchers.remove(watcher)
        elif descriptor.tell_poller() != GONE:
            raise ValueError(
                f"descriptor {number} is watched {'edge' if descriptor.is_edge else 'level'}-"
                "triggered already: all who watch one descriptor are told alike"
            )
        replace(descriptor)
    descriptor = Descriptor.__new__(Descriptor)
    descriptor.engine = loop
    descriptor.poller = poller
    descriptor.number = number
    descriptor.is_edge = edge
    descriptor.watchers = [watcher]
    watcher.descriptor = descriptor
    descriptor.tell_poller()
    return 0


cdef HandleWatcher found(Poller poller, int number, uint32_t interest):
    # asyncio has one reader and one writer for each descriptor.
    cdef Source source = poller.lookup(number)
    cdef Watcher watcher
    if isinstance(source, Descriptor):
        for watcher in (<Descriptor>source).watchers:
            if isinstance(watcher, HandleWatcher) and watcher.interest == interest:
                return <HandleWatcher>watcher
    return None


cdef Handle set_handle(Dispatcher loop, Poller poller, object fd, Handle handle, uint32_t interest):
    cdef int number = number_of(fd)
    cdef HandleWatcher watcher, known = found(poller, number, interest)
    cdef Handle previous
    if known is not None and known.descriptor.tell_poller() != GONE:
        previous, known.handle = known.handle, handle
        previous.cancel()
        return handle
    watcher = HandleWatcher.__new__(HandleWatcher)
    watcher.interest = interest
    watcher.handle = handle
    start_watching(loop, poller, number, watcher, False)
    return handle


cdef bint remove_handle(Poller poller, object fd, uint32_t interest) except -1:
    cdef HandleWatcher known = found(poller, number_of(fd), interest)
    if known is None:
        return False
    known.descriptor.remove(known)
    known.handle.cancel()
    return True
