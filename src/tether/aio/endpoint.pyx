# What asyncio's datagram and pipe transports share: protocol, owner, flow control, the end. Knows
# the engine and asyncio's rules; how bytes come and go is filled in by its kinds.
#
# They keep asyncio's own rules: connection_lost comes once, in the pass after the end was decided,
# and an exception of the protocol is reported and closes nothing. The loop's root scope owns them.
# Descriptors are watched level-triggered, so an event that was not used up comes again.

import logging
import os

from cpython.contextvars cimport PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
from cpython.object cimport PyObject_CallObject

from tether.engine.poller cimport READ, WRITE
from tether.engine.scope cimport CLOSED, CLOSING, OPEN

cdef enum:
    GIVE_UP = 32
    WARN_FROM = 5  # lost writes, as asyncio counts them

cdef object log = logging.getLogger("asyncio")


cdef class Turn(Work):
    # An endpoint's place in the ready queue.

    cdef int run(self) except -1:
        return self.endpoint.take_turn()


cdef class Endpoint(Source):
    """A transport of one descriptor, with asyncio's rules."""

    def __cinit__(self, *args, **kwargs):
        self.state = CLOSED  # until it begins
        self.descriptor = -1
        self.watched = -1

    cdef int begin(
        self, Engine engine, object resource, int descriptor, object protocol, object waiter
    ) except -1:
        engine.call_soon(protocol.connection_made, self)
        self.state = OPEN
        self.home = engine
        self.resource = resource
        self.descriptor = descriptor
        self.protocol = protocol
        self.context = PyContext_CopyCurrent()
        if engine.root.state == OPEN:
            engine.root.adopt(self, False)
        else:
            # Nobody would end it any more: like asyncio's own, it ends when it is closed.
            self.engine = engine
            self.created = engine.clock()
        self.waiter = waiter
        self.turn = Turn.__new__(Turn)
        self.turn.endpoint = self
        engine.ready.push(self.turn)
        return 0

    cdef int serve(self, uint32_t what) except -1:
        # The descriptor is ready: what the kinds do then.
        return 0

    cdef int on_event(self, uint32_t what) except -1:
        # What was ready before the loop looked for events comes first, as asyncio has it.
        if self.home.ready.count == 0:
            return self.serve(what)
        self.reported |= what
        if not self.in_turn:
            self.in_turn = True
            self.home.ready.push(self.turn)
        return 0

    cdef int take_turn(self) except -1:
        cdef uint32_t what = self.reported
        self.in_turn = False
        self.reported = 0
        try:
            if not self.is_started:
                self.start()
            elif self.state != CLOSED:
                self.serve(what)
        except Exception as error:
            self.contain(error)
        return 0

    cdef int start(self) except -1:
        # Reading begins after connection_made, and before whoever waits for the transport goes on.
        cdef object waiter = self.waiter
        self.is_started = True
        self.waiter = None
        if waiter is not None and not waiter.cancelled():
            waiter.set_result(None)
        return self.apply_interest() if self.state == OPEN else 0

    def get_extra_info(self, name, default=None):
        """What is known beside the bytes; see `asyncio.BaseTransport.get_extra_info`."""
        return self.extra.get(name, default)

    def set_protocol(self, protocol):
        """From now on `protocol` is told."""
        self.protocol = protocol

    def get_protocol(self):
        """Who is told; None once the transport has ended."""
        return self.protocol

    def is_closing(self):
        """Whether it is closing, or closed."""
        return self.state != OPEN

    def close(self):
        """Send what waits, then end; `connection_lost(None)` tells when."""
        self.start_closing(None)

    def abort(self):
        """End without sending what waits."""
        self.fail(None)

    def describe(self):
        """What `tree` says beside the name."""
        return f"fd={self.descriptor}"

    def __repr__(self):
        parts = [type(self).__name__]
        if self.state == CLOSED:
            parts.append("closed")
        elif self.state == CLOSING:
            parts.append("closing")
        parts.append(f"fd={self.descriptor}")
        if self.state != CLOSED:
            parts.append("read=polling" if self.wanted() & READ else "read=idle")
        return f"<{' '.join(parts)}>"

    # Reading can be paused; the kinds that only write are not asked.

    def is_reading(self):
        """Whether the protocol gets what arrives."""
        return self.state == OPEN and not self.is_paused

    def pause_reading(self):
        """Take nothing more from the descriptor until `resume_reading`."""
        if self.is_reading():
            self.is_paused = True
            self.apply_interest()
            if self.home._debug:
                log.debug("%r pauses reading", self)

    def resume_reading(self):
        """Go on after `pause_reading`."""
        if self.is_paused and self.state == OPEN:
            self.is_paused = False
            self.apply_interest()
            if self.home._debug:
                log.debug("%r resumes reading", self)

    cdef uint32_t wanted(self) noexcept:
        # What the poller is to report now.
        cdef uint32_t wanted = 0
        if self.is_started and self.state == OPEN and not self.is_paused:
            wanted |= READ
        if self.is_blocked:
            wanted |= WRITE
        return wanted

    cdef int apply_interest(self) except -1:
        cdef uint32_t wanted = self.wanted()
        cdef Source other
        if self.is_never_polled:
            if wanted & READ and not self.in_unread:
                self.in_unread = True
                self.home.unread.push(self)
            return 0
        if wanted == self.interest or self.descriptor < 0:
            return 0
        if self.watched < 0:
            self.watched = self.descriptor
            other = self.home.poller_.lookup(self.descriptor)
            if isinstance(other, Endpoint) and other.state != CLOSED:
                # One file in use both ways, such as a serial line: one number for each of the two.
                self.watched = os.dup(self.descriptor)
            elif other is not None:
                self.home.poller_.unwatch(self.descriptor)  # it was closed unnoticed
        if wanted:
            try:
                self.home.poller_.watch(self.watched, self, wanted)
            except PermissionError:
                # What cannot be polled, such as /dev/null, is always ready.
                self.is_never_polled = True
                return self.apply_interest()
        else:
            self.home.poller_.unwatch(self.watched)
        self.interest = wanted
        return 0

    cdef int read_pending(self) except -1:
        # Only for what cannot be polled: it stays on the loop's list while it is read.
        self.in_unread = False
        if self.wanted() & READ:
            self.serve(READ)
        return self.apply_interest()

    cdef int tell(self, str name, tuple args, str message=None) except -1:
        # A callback of the protocol from the top of the dispatch: in the context that the transport
        # was made in, and what it raises is reported and goes no further.
        cdef object context = self.context, protocol = self.protocol
        self.engine.depth += 1
        try:
            PyContext_Enter(context)
            try:
                PyObject_CallObject(getattr(protocol, name), args)
            finally:
                PyContext_Exit(context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.report_failure(message or f"Exception in callback {name}() of {protocol!r}", error)
        finally:
            self.engine.depth -= 1
        return 0

    cdef int report_failure(self, str message, object error) except -1:
        self.engine.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self.protocol}
        )
        return 0

    cdef int contain(self, object error) except -1:
        # Nothing of the protocol's arrives here.
        return self.fatal(error, "Fatal error on transport")

    cdef int fatal(self, object error, str message) except -1:
        # Called where an exception is handled: debug mode logs it with its traceback.
        if not isinstance(error, OSError):
            self.report_failure(message, error)
        elif self.home._debug:
            log.debug("%r: %s", self, message, exc_info=True)
        return self.fail(error)

    cdef int fail(self, object error) except -1:
        # The end now, with what `connection_lost` will say. A close that was waiting for the output
        # ends with the error that came first.
        if self.state == CLOSING and not self.is_aborting and self.has_output():
            self.cause = error
        return self.start_abort(error)

    cdef bint has_output(self) noexcept:
        return False

    cdef int drop_output(self) except -1:
        return 0

    cdef int end(self, object cause) except -1:
        # The owner closes. What waits is sent, for as long as the owner lingers.
        self.start_closing(None)
        if self.has_output() and self.linger_time >= 0:
            self.set_alarm(self.linger_time, GIVE_UP)
        return 0

    cdef int on_alarm(self, int kind) except -1:
        if kind == GIVE_UP:
            return self.fail(TimeoutError("the peer did not take what was sent"))
        return Source.on_alarm(self, kind)

    cdef int on_closing(self) except -1:
        if not self.has_output():
            self.lost_writes += 1
        return self.apply_interest()

    cdef int on_abort(self) except -1:
        if self.lost_writes == 0:
            self.lost_writes = 1
        self.drop_output()
        self.is_blocked = False
        self.apply_interest()
        if self.is_finishing and not self.is_released:
            self.release()
        return 0

    cdef int on_finish(self) except -1:
        if not self.has_output():
            self.is_released = True
        return 0

    cdef int on_closed(self) except -1:
        cdef object protocol = self.protocol, resource = self.resource
        try:
            # asyncio tells nobody once the loop has stopped for good.
            if protocol is not None and not self.home.is_ending:
                self.tell("connection_lost", (self.cause,))
        finally:
            self.home.poller_.unwatch(self.watched)
            if self.watched >= 0 and self.watched != self.descriptor:
                os.close(self.watched)
            self.watched = -1
            self.descriptor = -1
            self.protocol = None
            self.resource = None
            self.turn = None
            self.leave()  # an exit that left connection_lost must not keep the owner waiting
            if resource is not None:
                resource.close()
        return 0


cdef class WritingEndpoint(Endpoint):
    """An endpoint with output, and asyncio's flow control."""

    def __cinit__(self, *args, **kwargs):
        self.high = 64 * 1024
        self.low = 16 * 1024

    def get_write_buffer_size(self):
        """Bytes that wait to be sent."""
        return self.waiting

    def get_write_buffer_limits(self):
        """The low and the high mark, in bytes."""
        return (self.low, self.high)

    def set_write_buffer_limits(self, high=None, low=None):
        """Set the marks of the flow control, in bytes; see `asyncio.WriteTransport`.

        Raises:
            ValueError: not `high >= low >= 0`.
        """
        if high is None:
            high = 64 * 1024 if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high = high
        self.low = low
        self.pause_protocol()

    def __repr__(self):
        told = Endpoint.__repr__(self)
        if self.state == CLOSED:
            return told
        state = "polling" if self.is_blocked else "idle"
        return f"{told.removesuffix('>')} write=<{state}, bufsize={self.waiting}>>"

    cdef bint has_output(self) noexcept:
        return self.waiting > 0

    cdef int pause_protocol(self) except -1:
        # Called below the user's own write, so in the context he is in.
        if self.is_protocol_paused or self.waiting <= self.high:
            return 0
        self.is_protocol_paused = True
        try:
            self.protocol.pause_writing()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.report_failure("protocol.pause_writing() failed", error)
        return 0

    cdef int resume_protocol(self) except -1:
        if self.is_protocol_paused and self.waiting <= self.low and self.protocol is not None:
            self.is_protocol_paused = False
            self.tell("resume_writing", (), "protocol.resume_writing() failed")
        return 0

    cdef int warn_lost_write(self) except -1:
        if self.lost_writes >= WARN_FROM:
            log.warning("%s: written to after the end; nothing is sent", type(self).__name__)
        self.lost_writes += 1
        return 0


cdef object os_error(int number):
    # The subclass that belongs to the errno, as the standard library raises it.
    return OSError(number, os.strerror(number))
