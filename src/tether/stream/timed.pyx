# The times after which a stream is given up. Knows the channel they are measured on, no user.
#
# A byte that comes or leaves only notes when: an alarm that finds that less time has passed than it
# was set for is set again for the rest.

from libc.math cimport INFINITY

from tether.engine.scope cimport OPEN
from tether.stream.limits cimport seconds

from tether.errors import ReadTimeout, WriteTimeout

cdef object KEPT = object()  # a time that stays as it is


cdef class Timed(Channel):
    """A channel that may be given up after a time."""

    def __cinit__(self, *args, **kwargs):
        self.read_time = self.write_time = self.idle_time = self.total_time = INFINITY

    def on_timeout(self, callback):
        """Call `callback(error)` instead of closing when a time set by `set_timeouts` passes. That
        time begins again with the next bytes of its direction."""
        self.check()
        self.timeout_callback = callback
        return callback

    def set_timeouts(self, *, read=KEPT, write=KEPT, idle=KEPT, total=KEPT):
        """Seconds after which the stream closes with a `ReadTimeout` or `WriteTimeout`, counted
        from now; None switches one off. All are off at first.

        Args:
            read: nothing was received, while there was room for it.
            write: what waited to be sent was not taken by the peer; that it took some is not enough.
            idle: nothing was received or sent.
            total: the stream is still open.
        """
        self.check()
        if read is not KEPT:
            self.read_time = seconds(read, "read")
            self.heard = self.home.clock()
            self.begin_time(READ_TIME, self.read_time)
        if write is not KEPT:
            self.write_time = seconds(write, "write")
            self.begin_write_time()
        if idle is not KEPT:
            self.idle_time = seconds(idle, "idle")
            self.heard = self.home.clock()
            self.begin_time(IDLE_TIME, self.idle_time)
        if total is not KEPT:
            self.total_time = seconds(total, "total")
            self.begin_time(TOTAL_TIME, self.total_time)
        self.is_timed = self.read_time < INFINITY or self.idle_time < INFINITY

    cdef int on_blocked(self) except -1:
        # From the close on the flush has its own deadline, and nobody would drop this one.
        if self.state == OPEN and self.write_time < INFINITY and self.write_alarm is None:
            self.begin_write_time()
        return 0

    cdef int note_received(self) except -1:
        # Exact, for a time may not pass early. Whose time had passed, and was told, gets it anew.
        self.heard = self.home.clock()
        if self.read_time < INFINITY and self.read_alarm is None:
            self.begin_time(READ_TIME, self.read_time)
        return self.note_any()

    cdef int note_any(self) except -1:
        if self.idle_time < INFINITY and self.idle_alarm is None:
            self.begin_time(IDLE_TIME, self.idle_time)
        return 0

    cdef int begin_write_time(self) except -1:
        # What waits now has to be gone by then.
        self.write_goal = self.sent + self.waiting_bytes()
        return self.begin_time(WRITE_TIME, self.write_time if self.is_blocked else INFINITY)

    cdef int begin_time(self, int kind, double time) except -1:
        cdef Alarm alarm = self.set_alarm(time, kind) if time < INFINITY else None
        if kind == READ_TIME:
            self.read_alarm, alarm = alarm, self.read_alarm
        elif kind == WRITE_TIME:
            self.write_alarm, alarm = alarm, self.write_alarm
        elif kind == IDLE_TIME:
            self.idle_alarm, alarm = alarm, self.idle_alarm
        else:
            self.total_alarm, alarm = alarm, self.total_alarm
        return self.drop_alarm(alarm)

    cdef int time_passed(self, int kind) except -1:
        cdef double now = self.home.clock(), time, silent = 0
        if kind == READ_TIME:
            time = self.read_time
            self.read_alarm = None
            if self.at_eof:
                return 0
            if not self.is_paused and self.own_room() > 0:
                silent = now - self.heard
            error = ReadTimeout(phase="message", peer=self.peer, elapsed=silent)
        elif kind == WRITE_TIME:
            self.write_alarm = None
            if not self.is_blocked:
                return 0
            if self.sent >= self.write_goal:
                return self.begin_write_time()
            time = silent = self.write_time
            error = WriteTimeout(phase="send", peer=self.peer, elapsed=time)
        elif kind == IDLE_TIME:
            time = self.idle_time
            silent = now - max(self.heard, self.sent_at)
            reason = "nothing received or sent before the deadline"
            error = ReadTimeout(reason, phase="message", peer=self.peer, elapsed=silent)
        else:
            time = silent = self.total_time
            reason = "not over before the deadline"
            error = ReadTimeout(reason, phase="message", peer=self.peer, elapsed=time)
        if silent < time:
            return self.begin_time(kind, time - silent)
        if self.timeout_callback is None:
            self.start_abort(error)
        else:
            self.invoke_one(self.timeout_callback, error)
        return 0

    cdef int on_closing(self) except -1:
        cdef int kind
        for kind in range(READ_TIME, TOTAL_TIME + 1):
            self.begin_time(kind, INFINITY)
        self.timeout_callback = None
        return Channel.on_closing(self)

    cdef int on_alarm(self, int kind) except -1:
        if READ_TIME <= kind <= TOTAL_TIME:
            return self.time_passed(kind)
        return Channel.on_alarm(self, kind)
