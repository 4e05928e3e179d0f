# The outcome of a send that was taken at once. Knows nothing: there is one for all.

cdef object EMPTY = iter(())


cdef class Taken:
    # The outcome of what was taken: true, and awaiting it is done at once.

    def __bool__(self):
        return True

    def __await__(self):
        return EMPTY

    def send(self, value):
        """As a coroutine's `send`: it is over at once."""
        raise StopIteration

    def throw(self, kind, value=None, traceback=None):
        """As a coroutine's `throw`."""
        raise kind if value is None else value

    def close(self):
        """As a coroutine's `close`."""

    def __repr__(self):
        return "<Outcome taken>"


TAKEN = Taken()
