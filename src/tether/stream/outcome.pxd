# The outcome of a send that was not taken. Knows channels and their marks, no user and no protocol.

from tether.engine.waiter cimport Awaiting
from tether.stream.channel cimport Channel, Consumer


cdef class Sender(Awaiting):
    cdef Channel stream


cdef class Outcome(Sender):
    cdef Consumer session
    cdef object message


cdef Outcome not_taken(Channel stream, Consumer session, object message)


cdef class Draining(Sender):
    cdef Py_ssize_t mark


cdef Draining start_draining(Channel stream, Py_ssize_t mark)
