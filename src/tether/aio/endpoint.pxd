# What asyncio's datagram and pipe transports share: protocol, owner, flow control, the end. Knows
# the engine and asyncio's rules; how bytes come and go is filled in by its kinds.

from libc.stdint cimport uint32_t

from tether.engine.engine cimport Engine
from tether.engine.poller cimport Source
from tether.engine.work cimport Work


cdef class Endpoint(Source)


cdef class Turn(Work):
    cdef Endpoint endpoint


cdef class Endpoint(Source):
    cdef dict __dict__          # asyncio's transports take attributes, and libraries set some
    cdef Engine home
    cdef object resource        # the socket or file, whose close() releases the descriptor
    cdef object protocol
    cdef dict extra
    cdef int descriptor, watched
    cdef int lost_writes        # how often it was written to after the end was decided
    cdef object waiter          # who waits for the beginning
    cdef Turn turn
    cdef uint32_t interest, reported
    cdef bint is_started, is_paused, is_blocked, is_never_polled, in_unread, in_turn
    cdef int begin(
        self, Engine engine, object resource, int descriptor, object protocol, object waiter
    ) except -1
    cdef int serve(self, uint32_t what) except -1
    cdef int take_turn(self) except -1
    cdef int start(self) except -1
    cdef int apply_interest(self) except -1
    cdef uint32_t wanted(self) noexcept
    cdef int tell(self, str name, tuple args, str message=*) except -1
    cdef int report_failure(self, str message, object error) except -1
    cdef int fatal(self, object error, str message) except -1
    cdef int fail(self, object error) except -1
    cdef bint has_output(self) noexcept
    cdef int drop_output(self) except -1


cdef class WritingEndpoint(Endpoint):
    cdef Py_ssize_t waiting, high, low
    cdef bint is_protocol_paused
    cdef int pause_protocol(self) except -1
    cdef int resume_protocol(self) except -1
    cdef int warn_lost_write(self) except -1


cdef object os_error(int number)
