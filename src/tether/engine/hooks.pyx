# Callbacks around the loop's look for events. Knows their owner, no poller and no loop.

from tether.engine.members cimport let_go

from tether.engine.members import named


cdef class Hook(Member):
    """A callback of `loop.on_prepare` or `loop.on_check`, until it is cancelled or its owner closes."""

    @property
    def active(self):
        """Whether it will be called again."""
        return not self.is_cancelled and self.owner is not None

    def cancel(self):
        """It is not called any more; calling this again has no effect."""
        if self.owner is not None:
            self.owner.engine.check_thread()
        self.end(None)

    cdef int end(self, object cause) except -1:
        if self.is_cancelled or self.owner is None:
            return 0
        self.is_cancelled = True
        let_go(self.owner.engine, self.callback)
        self.callback = None
        self.owner.engine.drop_hook(self)
        return self.leave()

    cdef int tell(self, object timeout) except -1:
        if self.is_cancelled or self.owner is None:
            return 0
        return self.owner.invoke_or_spawn(self.callback, (timeout,) if self.is_prepare else ())

    def __repr__(self):
        return f"<{'on_prepare' if self.is_prepare else 'on_check'} {named(self.callback)}>"
