# How fast bytes may flow: buckets of tokens, alone or shared. Knows clocks and timers, no stream.
#
# A bucket fills by the clock whenever somebody asks, so nothing runs while nobody waits. Who finds it
# empty waits for its one timer. In a group those who wait stand in a queue; the timer serves it from
# the front, a share to each, and who comes meanwhile stands behind them: so nobody starves.

from libc.math cimport INFINITY

from tether.engine.work cimport Work

cdef double TURN = 0.02   # seconds' worth of tokens that are waited for, where that many fit
cdef double WORTH = 0.125 # of those, with which somebody who does not wait yet goes on
cdef double BURST = 0.1   # seconds' worth that fit, where nobody says


cdef class Refill(Work):

    cdef int run(self) except -1:
        cdef Bucket bucket = self.bucket
        self.bucket = None
        if bucket is not None:
            bucket.refill = None
            bucket.filled_up()
        return 0


cdef class Bucket:
    # What a limit and a group have in common.

    @property
    def rate(self):
        """Bytes a second; may be changed at any time."""
        return self.per_second

    @rate.setter
    def rate(self, rate):
        self.change()
        self.set_up(rate, self.most if self.has_own_most else None)
        self.filled_up()

    @property
    def burst(self):
        """The most bytes at once after a pause; may be changed at any time."""
        return self.most

    @burst.setter
    def burst(self, burst):
        self.change()
        self.set_up(self.per_second, burst)
        self.filled_up()

    @property
    def bytes(self):
        """How many bytes passed so far."""
        return self.passed

    @property
    def waits(self):
        """How often somebody had to wait."""
        return self.wait_count

    cdef int set_up(self, object rate, object burst) except -1:
        cdef double per_second = INFINITY if rate is None else rate
        cdef double most
        if not per_second > 0:
            raise ValueError(f"a rate is above 0 bytes a second, got {rate}")
        most = max(1.0, per_second * BURST) if burst is None else burst
        if not most >= 1:
            raise ValueError(f"a burst is 1 byte or more, got {burst}")
        self.has_own_most = burst is not None
        self.per_second = per_second
        self.most = most
        self.left = min(self.left, most)
        return 0

    cdef int join(self, Dispatcher engine) except -1:
        if self.engine is None:
            self.engine = engine
            self.filled = engine.clock()
        elif self.engine is not engine:
            raise ValueError("this limit is used on another loop")
        return 0

    cdef int fill(self) except -1:
        cdef double now = self.engine.clock()
        if self.per_second == INFINITY:
            self.left = self.most
        else:
            self.left = min(self.most, self.left + (now - self.filled) * self.per_second)
        self.filled = now
        return 0

    cdef double enough(self) except -1:
        # What is waited for: going on byte by byte would cost more than it moves.
        return min(self.most, max(1.0, self.per_second * TURN))

    cdef bint has(self, double wanted) except -1:
        # Whether it is worth to go on now, and not to wait for `enough`.
        return self.left >= min(wanted, max(1.0, self.enough() * WORTH))

    cdef int set_timer(self) except -1:
        cdef double missing
        if self.refill is None:
            missing = max(0.0, self.enough() - self.left)
            self.refill = Refill.__new__(Refill)
            self.refill.bucket = self
            self.engine.timers.push(self.filled + missing / self.per_second, self.refill)
        return 0

    cdef int drop_timer(self) except -1:
        cdef Refill refill = self.refill
        if refill is not None:
            self.refill = None
            refill.bucket = None
            refill.is_cancelled = True
            if refill.is_pending:
                self.engine.timers.drop(refill)
        return 0

    cdef int change(self) except -1:
        # What came until now came at the old rate; who waits, waits anew.
        if self.engine is not None:
            self.engine.check_thread()
            self.fill()
            self.drop_timer()
        return 0

    cdef int filled_up(self) except -1:
        return 0


cdef class RateLimit(Bucket):
    """How fast one stream may read, or write: a bucket of tokens, one for each byte on the wire.

    Args:
        rate: bytes a second; None for no limit but that of the group.
        burst: the most bytes at once after a pause; the default is a tenth of a second's worth.
        group: a `RateLimitGroup` that it shares its rate with.

    Raises:
        ValueError: a rate that is not above 0, or a burst below 1.

    >>> import tether
    >>> async def main():
    ...     near, far = tether.pair()
    ...     limit = near.limit_writing(tether.RateLimit(1_000_000, burst=1000))
    ...     near.send(b"x" * 5000)
    ...     await far.readexactly(5000)
    ...     return limit.bytes, limit.waits > 0
    >>> tether.run(main())
    (5000, True)
    """

    def __init__(self, rate=None, *, burst=None, group=None):
        self.left = INFINITY
        self.set_up(rate, burst)
        self.shared = group

    @property
    def group(self):
        """The group that it shares its rate with, or None."""
        return self.shared

    cdef int begin(self, Dispatcher engine, Work user) except -1:
        if self.user is not None:
            raise RuntimeError("this limit is in use; share a rate through a RateLimitGroup")
        self.join(engine)
        if self.shared is not None:
            self.shared.join(engine)
            self.shared.members += 1
        self.user = user
        return 0

    cdef Py_ssize_t allowance(self, Py_ssize_t wanted) except -1:
        # How many of so many bytes may pass now; those that do are spent next. 0: it tells when to
        # go on.
        if self.is_held():
            return 0
        self.fill()
        if not self.has(wanted):
            self.is_waiting = True
            self.wait_count += 1
            self.set_timer()
            return 0
        if self.shared is None:
            return <Py_ssize_t>min(self.left, <double>wanted)
        if self.granted < 1 and not self.shared.ask(self, wanted):
            return 0
        return <Py_ssize_t>min(self.left, self.granted, <double>wanted)

    cdef int spend(self, Py_ssize_t size) except -1:
        self.left -= size
        self.passed += size
        if self.shared is not None:
            self.shared.passed += size
            self.shared.left += self.granted - size  # what it has no use for is for others
            self.granted = 0
        return 0

    cdef bint is_held(self) noexcept:
        return self.is_waiting or self.is_queued

    cdef int give_up(self) except -1:
        # Nobody waits for it any more.
        self.drop_timer()
        self.is_waiting = False
        if self.shared is not None:
            self.shared.dequeue(self)
            self.shared.left += self.granted
            self.granted = 0
        return 0

    cdef int end(self) except -1:
        if self.user is not None:
            self.user = None
            self.give_up()
            if self.shared is not None:
                self.shared.members -= 1
        return 0

    cdef int filled_up(self) except -1:
        if self.is_waiting:
            self.is_waiting = False
            self.user.run()
        return 0

    def __repr__(self):
        return f"<RateLimit {self.per_second:g} B/s, {self.passed} bytes, {self.wait_count} waits>"


cdef class RateLimitGroup(Bucket):
    """A rate that many streams share, each through a `RateLimit` of its own that names the group.

    Whoever finds it spent waits in a queue, and the queue is served in turn: an equal share of what
    there is to each, and `min_share` bytes at least.

    Args:
        rate: bytes a second of all together; None for no limit.
        burst: the most bytes at once after a pause; the default is a tenth of a second's worth.
        min_share: bytes that a turn is worth at least; fewer make more system calls.

    Raises:
        ValueError: a rate that is not above 0, a burst or a share below 1.
    """

    def __init__(self, rate, *, burst=None, double min_share=64):
        if not min_share >= 1:
            raise ValueError(f"a share is 1 byte or more, got {min_share}")
        self.left = INFINITY
        self.share = min_share
        self.set_up(rate, burst)

    @property
    def min_share(self):
        """Bytes that a turn is worth at least; may be changed at any time."""
        return self.share

    @min_share.setter
    def min_share(self, double min_share):
        if not min_share >= 1:
            raise ValueError(f"a share is 1 byte or more, got {min_share}")
        self.share = min_share

    @property
    def size(self):
        """How many limits in use share it."""
        return self.members

    cdef double enough(self) except -1:
        return min(self.most, max(self.share, Bucket.enough(self)))

    cdef int ask(self, RateLimit limit, Py_ssize_t wanted) except -1:
        # Whether there is something for it, and nobody who came earlier; else it waits.
        self.fill()
        if self.queued == 0 and self.has(wanted):
            limit.granted = min(self.left, <double>wanted)
            self.left -= limit.granted
            return 1
        self.wait_count += 1
        limit.wait_count += 1
        self.enqueue(limit)
        self.set_timer()
        return 0

    cdef int enqueue(self, RateLimit limit) except -1:
        limit.is_queued = True
        limit.previous = self.last
        if self.last is not None:
            self.last.next = limit
        else:
            self.first = limit
        self.last = limit
        self.queued += 1
        return 0

    cdef int dequeue(self, RateLimit limit) except -1:
        if not limit.is_queued:
            return 0
        limit.is_queued = False
        if limit.previous is not None:
            limit.previous.next = limit.next
        else:
            self.first = limit.next
        if limit.next is not None:
            limit.next.previous = limit.previous
        else:
            self.last = limit.previous
        limit.previous = limit.next = None
        self.queued -= 1
        if self.queued == 0:
            self.drop_timer()
        return 0

    cdef int filled_up(self) except -1:
        cdef RateLimit limit
        if self.queued == 0:
            return 0
        self.fill()
        while self.first is not None and self.left >= min(self.most, self.share):
            limit = self.first
            limit.granted = min(self.left, max(self.share, self.left / self.queued))
            self.left -= limit.granted
            self.dequeue(limit)
            limit.user.run()
        return self.set_timer() if self.queued else 0

    def __repr__(self):
        return (
            f"<RateLimitGroup {self.per_second:g} B/s of {self.members}, {self.passed} bytes, "
            f"{self.wait_count} waits>"
        )
