# The times after which a stream is given up. Knows the channel they are measured on, no user.

from tether.engine.scope cimport Alarm
from tether.stream.channel cimport Channel


cdef enum:
    READ_TIME = 40
    WRITE_TIME = 41
    IDLE_TIME = 42
    TOTAL_TIME = 43


cdef class Timed(Channel):
    cdef object timeout_callback
    cdef bint is_timed   # bytes are noted for a time
    cdef double read_time, write_time, idle_time, total_time  # seconds; infinite where off
    cdef Alarm read_alarm, write_alarm, idle_alarm, total_alarm
    cdef unsigned long long write_goal  # bytes sent, by when the write time passes
    cdef int note_received(self) except -1
    cdef int note_any(self) except -1
    cdef int begin_write_time(self) except -1
    cdef int begin_time(self, int kind, double time) except -1
    cdef int time_passed(self, int kind) except -1
