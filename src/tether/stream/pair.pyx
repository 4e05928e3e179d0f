# Two streams that are connected in memory. Knows channels and their events, no descriptor.
#
# Each end is the lowest layer of its stream, with the answers that a socket gives: EAGAIN where the
# other side has sent nothing or does not read, 0 after its end of file, ECONNRESET after its abort.
# What a poller tells of a socket is a notice in the loop's ready queue here. So nothing is delivered
# from inside of a send, and an end that is idle costs nothing.

import asyncio

from libc.errno cimport EAGAIN, ECONNRESET, EPIPE
from libc.string cimport memcpy

from tether.engine.engine cimport Engine
from tether.engine.poller cimport CLOSED_BY_PEER, HANGUP, READ, WRITE
from tether.engine.scope cimport Scope
from tether.stream.limits cimport count
from tether.stream.listener cimport Listener
from tether.stream.output cimport give_output, take_output
from tether.stream.stream cimport Stream
from tether.stream.system cimport set_errno

from tether.engine.scope import current_scope
from tether.stream.channel import READ_HIGH, WRITE_HIGH, WRITE_LOW

CAPACITY = 64 * 1024


cdef class Notice(Work):
    # An event on its way; what happens meanwhile is told with it.

    cdef int run(self) except -1:
        cdef PairEnd end = self.end
        cdef Channel stream = end.stream
        cdef uint32_t what = self.what
        self.what = 0
        if stream is not None and what:
            try:
                stream.on_event(what)
            except Exception as error:
                stream.contain(error)
        return 0


cdef class PairEnd(Layer):
    """The wire of one stream of a pair."""

    cdef Py_ssize_t pull(self, int descriptor, char* where, Py_ssize_t room) except -2:
        cdef Output inbound = self.inbound
        cdef char* piece
        cdef Py_ssize_t size, total = 0
        if inbound is None:
            if self.is_at_end and not self.is_reset:
                return 0
            set_errno(ECONNRESET if self.is_reset else EAGAIN)
            return -1
        while inbound.size and total < room:
            size = min(inbound.first_piece(&piece), room - total)
            if size < 0:
                if total == 0:
                    return -1  # a file that was sent cannot be read
                break
            memcpy(where + total, piece, size)
            inbound.drop(size)
            total += size
        if self.is_full and self.other is not None and inbound.size <= self.capacity // 2:
            self.is_full = False
            self.other.tell(WRITE)
        if inbound.size == 0 and self.inbound is inbound:
            give_output(inbound)
            self.inbound = None
        return total

    cdef Py_ssize_t send(self, int descriptor, Output plain) except -2:
        cdef PairEnd other = self.other
        cdef Py_ssize_t size
        if other is None:
            set_errno(ECONNRESET if self.is_reset else EPIPE)
            return -1
        if other.inbound is None:
            other.inbound = take_output()
        size = min(plain.size, other.capacity - other.inbound.size)
        if size <= 0:
            other.is_full = True
            set_errno(EAGAIN)
            return -1
        other.inbound.take(plain, size)
        other.tell(READ)
        return size

    cdef Py_ssize_t waiting_bytes(self) noexcept:
        return 0  # what the other side has not read is sent

    cdef int half_close(self, int descriptor) except -2:
        if self.other is None:
            return -1
        if not self.other.is_at_end:
            self.other.is_at_end = True
            self.other.tell(READ | CLOSED_BY_PEER)
        return 0

    cdef int cut(self, bint resets) except -1:
        cdef PairEnd other = self.other
        self.inbound = None
        self.stream = None
        self.other = None
        self.notice = None
        if other is not None:
            other.other = None
            other.is_at_end = True
            other.is_reset = resets
            other.is_full = False
            other.tell(READ | WRITE | CLOSED_BY_PEER | HANGUP)
        return 0

    cdef int tell(self, uint32_t what) except -1:
        if what == READ and self.stream.readable:
            return 0  # it will come back by itself
        if self.notice.what == 0:
            self.stream.home.ready.push(self.notice)
        self.notice.what |= what
        return 0


cdef PairEnd new_end(Engine engine, Scope owner, Py_ssize_t capacity):
    cdef Stream stream = Stream.__new__(Stream)
    cdef PairEnd end = PairEnd.__new__(PairEnd)
    end.stream = stream
    end.capacity = capacity
    end.notice = Notice.__new__(Notice)
    end.notice.end = end
    stream.home = engine
    stream.heard = engine.now
    stream.peer_name = "pair"
    stream.layer = end
    stream.is_wired = True
    owner.adopt(stream, False)
    return end


def pair(*, owner=None, listener=None, capacity=CAPACITY, write_high=WRITE_HIGH,
         write_low=WRITE_LOW, read_high=READ_HIGH):
    """Two streams that are connected to each other in memory: no descriptor, no system call.

    They are streams like any others: marks, closing, TLS, filters and protocols are the same. What
    the one sends the other receives from the loop, never inside of `send`. A close is the end of
    file for the other one, an abort a `ConnectionClosed` (ECONNRESET).

    Args:
        owner: the scope that owns both; the default is that of the running handler, else the root.
        listener: who accepts the second one, as if it had come from the network: its callback or
            its protocol, HTTP for a `Server`, has it and owns it then.
        capacity: bytes in each direction that are sent and not received yet; then the sender waits.
        write_high, write_low, read_high: the marks of both, in bytes; None means no limit.

    Raises:
        Closed: the owner or the listener is not open any more.
        ValueError: a low mark above its high one, or no room at all; another loop's owner.

    >>> import tether
    >>> async def main():
    ...     near, far = tether.pair()
    ...     near.send(b"hello")
    ...     near.close()
    ...     return await far.read(), await far.read()
    >>> tether.run(main())
    (b'hello', b'')
    """
    cdef Engine engine = <Engine?>asyncio.get_running_loop()
    cdef Scope scope
    cdef Listener accepting = listener
    cdef Py_ssize_t high = count(write_high, "write_high"), low = count(write_low, "write_low")
    cdef Py_ssize_t most = count(read_high, "read_high"), between = count(capacity, "capacity")
    cdef PairEnd near, far, end
    if owner is None:
        owner = current_scope.get(None) or engine.scope
    scope = owner
    for one in (scope, accepting):
        if one is not None:
            (<Scope>one).check()
            if (<Scope>one).engine is not engine:
                raise ValueError("the owner lives on another loop")
    if low > high:
        raise ValueError("a low mark lies at its high mark at most")
    if most == 0 or between == 0:
        raise ValueError("with no room nothing would ever be received")
    near = new_end(engine, scope, between)
    far = new_end(engine, scope if accepting is None else accepting, between)
    near.other = far
    far.other = near
    for end in (near, far):
        end.stream.write_high = high
        end.stream.write_low = low
        end.stream.read_high = most
    near.stream.is_session = True
    near.stream.own_context()
    if accepting is None:
        far.stream.is_session = True
        far.stream.own_context()
    else:
        accept(accepting, far.stream)
    return near.stream, far.stream


cdef int accept(Listener listener, Channel stream) except -1:
    listener.accepted_count += 1
    try:
        if listener.acceptor is not None:
            listener.acceptor.accepted(listener, stream)
        else:
            listener.run_callback(stream)
    except Exception as error:
        listener.contain(error)
        stream.start_abort(error)
    return 0
