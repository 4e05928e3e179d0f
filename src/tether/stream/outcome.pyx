# The outcome of a send that was not taken. Knows channels and their marks, no user and no protocol.

from tether.engine.scope cimport OPEN, Scope
from tether.engine.waiter cimport Waiter


cdef class Sender(Awaiting):
    # Who waits until less waits to be sent.

    cdef int wait(self, Waiter waiter) except -1:
        if self.stream.senders is None:
            self.stream.senders = []
        self.stream.senders.append(waiter)
        self.stream.wants_drain = True
        return 0

    cdef int forget(self, Waiter waiter) except -1:
        if self.stream.senders is not None and waiter in self.stream.senders:
            self.stream.senders.remove(waiter)
        return 0


cdef class Outcome(Sender):
    """What `send` returns when the message was not taken: false.

    Awaiting it waits for the low mark and then takes the message; cancelling that means that it
    was not sent. It raises `Closed` where the stream is closed.
    """

    def __bool__(self):
        return False

    def __repr__(self):
        return "<Outcome not taken>"

    cdef bint ready(self) except -1:
        if self.message is None:
            return True  # it was taken when it was awaited before
        if self.session is not None and self.session.state != OPEN:
            raise send_error(self.session, self.has_waited)
        if self.stream.state != OPEN:
            raise send_error(self.stream, self.has_waited)
        # Where sending failed, the close with its cause is on its way: it is waited for.
        return self.stream.can_write() and self.stream.waiting_bytes() < self.stream.write_high

    cdef object take(self):
        if self.message is None:
            return None
        if self.session is not None:
            self.session.send_again(self.message)
        else:
            self.stream.write_message(self.message)
        self.message = None
        return None


cdef object send_error(Scope scope, bint has_waited):
    # Only who waited to send hears the cause: whose send came after the close is told by `recv`.
    return scope.ended_error(True) if has_waited else scope.closed_error()


cdef Outcome not_taken(Channel stream, Consumer session, object message):
    cdef Outcome outcome = Outcome.__new__(Outcome)
    outcome.loop = stream.home
    outcome.stream = stream
    outcome.session = session
    outcome.message = message
    return outcome


cdef class Draining(Sender):
    # What `drain` returns: done when at most `mark` bytes wait to be sent.

    cdef bint ready(self) except -1:
        if self.stream.state != OPEN:
            raise send_error(self.stream, self.has_waited)
        return self.stream.send_errno == 0 and self.stream.waiting_bytes() <= self.mark

    cdef object take(self):
        return None


cdef Draining start_draining(Channel stream, Py_ssize_t mark):
    cdef Draining draining = Draining.__new__(Draining)
    draining.loop = stream.home
    draining.stream = stream
    draining.mark = mark
    return draining
