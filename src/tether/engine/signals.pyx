# Signals, counted as they come and told to scopes. Knows scopes and a poller, no loop.
#
# A handler in C counts each delivery with an atomic addition and writes to the pipe of each loop
# that asked, unless a byte is under way already: so no burst fills the pipe, and every delivery is
# counted. The kernel itself merges a standard signal that comes while the same one is pending.
#
# What was there before is put back when the last one ends. asyncio's handler of the same signal is
# called too: ours stands in front of Python's. Whoever calls `signal.signal` later is in charge.

import os
import signal
import threading
from asyncio.unix_events import _sighandler_noop

from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport uint32_t
from posix.unistd cimport close, read

from tether.engine.members cimport let_go
from tether.engine.poller cimport READ

from tether.engine.members import named

cdef extern from *:
    """
    #include <errno.h>
    #include <signal.h>
    #include <string.h>
    #include <unistd.h>
    #ifndef NSIG
    #define NSIG 65
    #endif
    #define TETHER_LOOPS 32

    typedef void (*tether_handler)(int);
    static unsigned long long tether_counts[NSIG];
    static unsigned long long tether_wanted[TETHER_LOOPS];  /* one bit for each signal */
    static int tether_pipes[TETHER_LOOPS];                  /* descriptor + 1, 0 where free */
    static int tether_woken[TETHER_LOOPS];
    static tether_handler tether_chained[NSIG];             /* Python's, where asyncio listens too */
    static struct sigaction tether_previous[NSIG];

    static void tether_count(int number) {
        int loop, saved = errno;
        __atomic_add_fetch(&tether_counts[number], 1, __ATOMIC_SEQ_CST);
        for (loop = 0; loop < TETHER_LOOPS; loop++) {
            int pipe = __atomic_load_n(&tether_pipes[loop], __ATOMIC_SEQ_CST);
            if (pipe == 0) continue;
            if (!(__atomic_load_n(&tether_wanted[loop], __ATOMIC_SEQ_CST) >> (number - 1) & 1)) continue;
            if (__atomic_exchange_n(&tether_woken[loop], 1, __ATOMIC_SEQ_CST)) continue;
            if (write(pipe - 1, "", 1) < 0) { /* full: it wakes anyway */ }
        }
        errno = saved;
    }
    static void tether_on_signal(int number) {
        tether_handler chained = __atomic_load_n(&tether_chained[number], __ATOMIC_SEQ_CST);
        tether_count(number);
        if (chained != NULL) chained(number);
    }
    static int tether_is_ours(int number) {
        struct sigaction now;
        return sigaction(number, NULL, &now) == 0 && now.sa_handler == tether_on_signal;
    }
    static int tether_remember(int number) {
        return sigaction(number, NULL, &tether_previous[number]);
    }
    static void tether_chain(int number, int chain) {
        struct sigaction now;
        if (!chain)
            __atomic_store_n(&tether_chained[number], NULL, __ATOMIC_SEQ_CST);
        else if (sigaction(number, NULL, &now) == 0 && now.sa_handler != tether_on_signal)
            __atomic_store_n(&tether_chained[number], now.sa_handler, __ATOMIC_SEQ_CST);
    }
    static int tether_install(int number) {
        struct sigaction ours;
        memset(&ours, 0, sizeof ours);
        ours.sa_handler = tether_on_signal;
        ours.sa_flags = SA_RESTART | SA_ONSTACK;
        sigemptyset(&ours.sa_mask);
        return sigaction(number, &ours, NULL);
    }
    static int tether_restore(int number) {
        return sigaction(number, &tether_previous[number], NULL);
    }
    static int tether_open(int pipe) {
        int loop;
        for (loop = 0; loop < TETHER_LOOPS; loop++)
            if (tether_pipes[loop] == 0) {
                tether_wanted[loop] = 0;
                tether_woken[loop] = 0;
                __atomic_store_n(&tether_pipes[loop], pipe + 1, __ATOMIC_SEQ_CST);
                return loop;
            }
        return -1;
    }
    static void tether_close(int loop) {
        __atomic_store_n(&tether_pipes[loop], 0, __ATOMIC_SEQ_CST);
    }
    static void tether_want(int loop, unsigned long long signals) {
        __atomic_store_n(&tether_wanted[loop], signals, __ATOMIC_SEQ_CST);
    }
    static void tether_rearm(int loop) {
        __atomic_store_n(&tether_woken[loop], 0, __ATOMIC_SEQ_CST);
    }
    static unsigned long long tether_counted(int number) {
        return __atomic_load_n(&tether_counts[number], __ATOMIC_SEQ_CST);
    }
    static void tether_close_all(void) {
        int loop;
        for (loop = 0; loop < TETHER_LOOPS; loop++) tether_pipes[loop] = 0;
    }
    """
    enum:
        NSIG
        LOOPS "TETHER_LOOPS"
    void count_signal "tether_count" (int number)
    bint is_ours "tether_is_ours" (int number)
    int remember "tether_remember" (int number)
    void chain "tether_chain" (int number, bint is_chained)
    int install "tether_install" (int number)
    int restore "tether_restore" (int number)
    int open_slot "tether_open" (int pipe)
    void close_slot "tether_close" (int slot)
    void want "tether_want" (int slot, unsigned long long signals)
    void rearm_slot "tether_rearm" (int slot)
    unsigned long long counted "tether_counted" (int number)
    void close_all "tether_close_all" ()

#: What each taken signal did before, as Python sees it, and how many watch it.
cdef dict before = {}
cdef dict takers = {}
# A handler that returns from these comes to the same fault again.
cdef object FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


def hand_over(number, frame):
    """Stands in Python's table: who saved it and puts it back goes on being counted."""
    count_signal(number)


cdef class Signals(Source):
    """All that one loop's scopes watch of signals."""

    def __cinit__(self, *args):
        self.slot = self.reading = self.writing = -1
        self.members = []

    cdef int on_event(self, uint32_t what) except -1:
        cdef char buffer[64]
        cdef Signal member
        cdef unsigned long long total
        cdef object fatal = None
        while read(self.reading, buffer, sizeof(buffer)) == sizeof(buffer):
            pass
        rearm_slot(self.slot)  # from here on a delivery writes again
        for member in tuple(self.members):
            total = counted(member.number)
            if member.is_cancelled or total == member.seen:
                continue
            member.latest = total - member.seen
            member.seen = total
            member.count += member.latest
            if member.owner is not None:
                try:
                    member.owner.invoke_or_spawn(member.callback, member.args)
                except BaseException as error:
                    fatal = error  # an exit leaves when all were told: the pipe is empty
        if fatal is not None:
            raise fatal
        return 0

    cdef object described(self):
        return ", ".join([repr(member) for member in self.members])

    cdef int add(self, Signal member) except -1:
        if not self.members:
            open_pipe(self)
        try:
            take(member.number)
        except BaseException:
            if not self.members:
                close_pipe(self)
            raise
        member.seen = counted(member.number)
        self.members.append(member)
        want(self.slot, wanted(self))
        return 0

    cdef int remove(self, Signal member) except -1:
        if member not in self.members:
            return 0
        self.members.remove(member)
        want(self.slot, wanted(self))
        give_back(member.number)
        if not self.members:
            close_pipe(self)
        return 0

    cdef int forsake(self) except -1:
        for descriptor in (self.reading, self.writing):
            if descriptor >= 0:
                close(<int>descriptor)
        self.reading = self.writing = -1
        return 0

    def __dealloc__(self):
        if self.reading >= 0:
            close(self.reading)
        if self.writing >= 0:
            close(self.writing)


cdef class Signal(Member):
    """A scope's watch of a signal, made by `scope.on_signal`, until it is cancelled or the scope closes.

    `count` is how often the signal was delivered since then, `latest` how often since the call
    before this one: several deliveries between two passes are one call.
    """

    @property
    def active(self):
        """Whether it will be called again."""
        return not self.is_cancelled and self.owner is not None

    def cancel(self):
        """It is not called any more; calling this again has no effect.

        With the last one of a signal, what the signal did before is put back.
        """
        if self.owner is not None:
            self.owner.engine.check_thread()
        self.end(None)

    cdef int end(self, object cause) except -1:
        if self.is_cancelled or self.owner is None:
            return 0
        self.is_cancelled = True
        let_go(self.owner.engine, (self.callback, self.args))
        self.callback = None
        self.args = None
        self.leave()
        return self.signals.remove(self)

    def __repr__(self):
        times = f"{self.count} so far"
        return f"<on_signal {name_of(self.number)} {named(self.callback)}, {times}>"


cdef Signals make_signals(Dispatcher loop, Poller poller):
    cdef Signals signals = Signals.__new__(Signals)
    signals.engine = loop
    signals.poller = poller
    return signals


cdef Signal start_signal(Signals signals, Scope scope, object number, object callback, tuple args):
    cdef Signal member = Signal.__new__(Signal)
    scope.check()
    if not callable(callback):
        raise TypeError(f"a signal needs something callable, got {callback!r}")
    if number not in signal.valid_signals():
        raise ValueError(f"there is no signal {number!r}")
    if number in FAULTS:
        raise ValueError(f"{name_of(number)} is a fault of the program: nobody can go on after it")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals are watched from the main thread only")
    member.signals = signals
    member.number = number
    member.callback = callback
    member.args = args
    signals.add(member)
    scope.attach(member)
    return member


cdef str name_of(int number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


cdef unsigned long long wanted(Signals signals) except? 0:
    cdef unsigned long long bits = 0
    cdef Signal member
    for member in signals.members:
        bits |= 1ULL << (member.number - 1)
    return bits


cdef int open_pipe(Signals signals) except -1:
    signals.reading, signals.writing = os.pipe()
    os.set_blocking(signals.reading, False)
    os.set_blocking(signals.writing, False)
    signals.slot = open_slot(signals.writing)
    if signals.slot < 0:
        signals.forsake()
        raise RuntimeError(f"no more than {LOOPS} loops of a process watch signals")
    signals.poller.watch(signals.reading, signals, READ)
    return 0


cdef int close_pipe(Signals signals) except -1:
    close_slot(signals.slot)
    signals.poller.unwatch(signals.reading)
    return signals.forsake()


cdef int take(int number) except -1:
    if takers.get(number):
        takers[number] += 1
        return 0
    if remember(number) != 0:
        PyErr_SetFromErrno(OSError)
    before[number] = signal.getsignal(number)
    try:
        put_in_front(number)
    except OSError as error:
        raise ValueError(f"{name_of(number)} cannot be caught") from error
    takers[number] = 1
    return 0


cdef int put_in_front(int number) except -1:
    # asyncio's handler stays in Python's table and is called after ours; any other makes room.
    cdef bint is_shared = signal.getsignal(number) is _sighandler_noop
    if not is_shared:
        signal.signal(number, hand_over)
    chain(number, is_shared)
    if install(number) != 0:
        PyErr_SetFromErrno(OSError)
    return 0


cdef int give_back(int number) except -1:
    takers[number] -= 1
    if takers[number]:
        return 0
    del takers[number]
    put_back(number)
    return 0


cdef int put_back(int number) except -1:
    cdef bint is_main = threading.current_thread() is threading.main_thread()
    previous, now = before.pop(number), signal.getsignal(number)
    if now is _sighandler_noop and previous is not _sighandler_noop and is_main:
        signal.signal(number, now)  # asyncio came later, and goes on
        signal.siginterrupt(number, False)
    elif is_ours(number) or now is hand_over:
        if now is hand_over and previous is not None and is_main:
            signal.signal(number, previous)
        restore(number)
    chain(number, False)
    return 0


cdef int share_signal(int number) except -1:
    # asyncio set or removed its handler of a signal, and with it ours: both are to hear of it.
    if not takers.get(number):
        return 0
    if before[number] is _sighandler_noop and signal.getsignal(number) is not _sighandler_noop:
        before[number] = signal.getsignal(number)
        remember(number)
    return put_in_front(number)


cdef int forget_signals() except -1:
    # In a forked child: its signals do what they did before the parent took them.
    close_all()
    for number in list(takers):
        del takers[number]
        put_back(number)
    return 0
