# How many connections there are, and from where: the limits of one listener. Knows no socket.
#
# Who is over the limit of an address is refused; the limit of all is the listener's affair, which
# stops accepting. A network of IPv6 counts as one address, since whoever has one address there has
# the 2**64 of its /64; link-local addresses are the exception, since all of them share one.

import logging

from libc.math cimport INFINITY
from libc.string cimport memcpy

from tether.engine.scope cimport OPEN, Scope
from tether.stream.names cimport is_mapped, read_address

cdef object log = logging.getLogger("tether")
cdef double BURST_SECONDS = 10.0

cdef enum:
    NAMED = 1000   # so many addresses of a burst are told apart

cdef extern from "<sys/socket.h>":
    enum:
        AF_INET
        AF_INET6


cdef class Tally:
    """Connections of one kind: how many are open."""

    cdef int left(self) except -1:
        # One was closed.
        self.count -= 1
        return 0


cdef class AddressTally(Tally):
    # Those of one address.
    cdef Admission admission
    cdef bytes key

    cdef int left(self) except -1:
        self.count -= 1
        if self.count == 0:
            del self.admission.addresses[self.key]
        return self.admission.left()


cdef class Admission(Tally):
    """All connections of a listener.

    Args:
        listener: who gets the alarms `HAS_ROOM` and `BURST_OVER`.
        most: how many there may be, and `most_each` of one address; None: any number.
    """

    def __init__(self, Scope listener, most, most_each):
        self.listener = listener
        self.most = limit(most, "max_connections")
        self.most_each = limit(most_each, "max_per_address")
        self.addresses = {}
        self.burst_addresses = set()
        self.refused_at = self.full_at = -INFINITY

    cdef bint is_full(self) noexcept:
        return self.most and self.count >= self.most

    cdef Tally enter(self, unsigned char* address):
        # Who counts it from now on; None where it is refused.
        cdef AddressTally tally
        cdef bytes key = key_of(address) if self.most_each else None
        if key is None:
            self.count += 1
            return self
        tally = self.addresses.get(key)
        if tally is None:
            tally = AddressTally.__new__(AddressTally)
            tally.admission = self
            tally.key = key
            self.addresses[key] = tally
        elif tally.count >= self.most_each:
            self.refuse(address)
            return None
        tally.count += 1
        self.count += 1
        return tally

    cdef int left(self) except -1:
        self.count -= 1
        if self.was_full and not self.is_full():
            self.was_full = False
            if self.listener.state == OPEN:
                self.listener.set_alarm(0, HAS_ROOM)
        return 0

    cdef int refuse(self, unsigned char* address) except -1:
        # Told when it begins and when it is over, and not at each of them: they may be many.
        cdef double now = self.listener.engine.clock()
        self.refused += 1
        if self.burst_size == 0:
            log.warning(
                "%s: refused %s, which has %d connections already",
                self.listener.name, read_address(address).rpartition(":")[0], self.most_each,
            )
            self.burst_alarm = self.listener.set_alarm(BURST_SECONDS, BURST_OVER)
        self.burst_size += 1
        self.refused_at = now
        if len(self.burst_addresses) < NAMED:
            self.burst_addresses.add(key_of(address))
        return 0

    cdef int burst_over(self) except -1:
        cdef double quiet = self.listener.engine.clock() - self.refused_at
        if quiet < BURST_SECONDS:
            self.burst_alarm = self.listener.set_alarm(BURST_SECONDS - quiet, BURST_OVER)
            return 0
        return self.end_burst()

    cdef int close(self) except -1:
        # The listener closes.
        if self.burst_size:
            self.listener.drop_alarm(self.burst_alarm)
            self.end_burst()
        return 0

    cdef int end_burst(self) except -1:
        self.burst_alarm = None
        log.warning(
            "%s: refused %d connections of %d%s address(es) that had %d already",
            self.listener.name, self.burst_size, len(self.burst_addresses),
            " or more" if len(self.burst_addresses) == NAMED else "", self.most_each,
        )
        self.burst_size = 0
        self.burst_addresses.clear()
        return 0

    cdef int told_full(self) except -1:
        # The listener stops for it. Where it comes and goes, it is told once.
        cdef double now = self.listener.engine.clock()
        self.was_full = True
        if now - self.full_at > BURST_SECONDS:
            log.warning(
                "%s: %d connections are open, the others wait", self.listener.name, self.most
            )
        self.full_at = now
        return 0


cdef Py_ssize_t limit(object number, str name) except -1:
    # 0 stands for none.
    if number is None:
        return 0
    if number < 1:
        raise ValueError(f"{name} is 1 or more, or None, got {number}")
    return number


cdef bytes key_of(unsigned char* address):
    # What counts as one address; None where there is none (Unix sockets).
    cdef unsigned short family
    memcpy(&family, address, 2)
    if family == AF_INET:
        return address[4:8]
    if family != AF_INET6:
        return None
    if is_mapped(address):
        return address[20:24]
    if address[8] == 0xFE and (address[9] & 0xC0) == 0x80:
        return address[8:28]  # with its interface
    return address[8:16]
