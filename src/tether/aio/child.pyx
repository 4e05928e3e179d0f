# A child process as a source: its descriptor says when it ends. Knows no pipe and no protocol.
#
# The poller watches the process' own descriptor (pidfd), so there is no thread, no SIGCHLD and no
# child watcher, and it works on a loop of any thread. Signals go through the same descriptor, and
# so never to another process that was given the number.

import logging
import os
import select
import signal

from libc.stdint cimport uint32_t

from tether.engine.poller cimport READ
from tether.engine.scope cimport CLOSED, OPEN

cdef enum:
    GIVE_UP = 32

cdef object log = logging.getLogger("asyncio")
cdef int UNKNOWN_STATUS = 255  # as asyncio reports it
cdef int KILL_MILLISECONDS = 1000


cdef bint has_pidfd():
    try:
        os.close(os.pidfd_open(os.getpid()))
        return hasattr(os, "P_PIDFD") and hasattr(signal, "pidfd_send_signal")
    except (AttributeError, OSError):
        return False


#: Whether this system has descriptors of processes, and Python knows how to use them.
SUPPORTED = has_pidfd()


cdef class Child(Source):
    """A running child. It is killed when the loop's root scope closes.

    Args:
        loop: the loop that watches it.
        process: its `subprocess.Popen`.
        transport: its `SubprocessTransport`, which is told of the end.
    """

    def __cinit__(self, *args, **kwargs):
        self.descriptor = -1

    def __init__(self, loop, process, transport):
        self.home = loop
        self.process = process
        self.transport = transport
        self.label = f"child {process.pid}"
        try:
            self.descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            pass  # somebody waits for every child, and was here before
        if self.home.root.state == OPEN:
            self.home.root.adopt(self, False)
        else:
            self.engine = self.home
            self.created = self.home.clock()
        if self.descriptor < 0:
            self.reap()
        else:
            self.home.poller_.unwatch(self.descriptor)  # a stale entry of this number
            try:
                self.home.poller_.watch(self.descriptor, self, READ)
            except BaseException:
                drop_descriptor(self)
                self.leave()
                raise

    def send_signal(self, number):
        """Send a signal, unless the process has ended."""
        if self.descriptor >= 0:
            try:
                signal.pidfd_send_signal(self.descriptor, number)
            except ProcessLookupError:
                pass

    cdef int on_event(self, uint32_t what) except -1:
        return self.reap()

    cdef int reap(self) except -1:
        # The status, if the process has ended; whoever took it away before left it with the Popen.
        cdef object process = self.process
        try:
            if self.descriptor >= 0:
                ended = os.waitid(os.P_PIDFD, self.descriptor, os.WEXITED | os.WNOHANG)
                if ended is None:
                    return 0
                code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            else:
                raise ChildProcessError
        except ChildProcessError:
            code = process.returncode
            if code is None:
                code = UNKNOWN_STATUS
                log.warning(
                    "child process pid %d exit status already read: will report returncode 255",
                    process.pid,
                )
        process.returncode = code
        drop_descriptor(self)
        if not self.home.is_ending:
            self.home.call_soon(self.transport._process_exited, code)
        if self.state == OPEN:
            return self.start_closing(None)
        return self.release()

    cdef int kill(self) except -1:
        # asyncio's transport kills what still runs, and closes the pipes.
        if self.transport is None:
            return 0
        try:
            self.transport.close()
        except Exception as error:
            self.report("Exception while a child process was killed", error)
        return 0

    cdef int end(self, object cause) except -1:
        self.kill()
        self.start_closing(None)
        if self.linger_time >= 0:
            self.set_alarm(self.linger_time, GIVE_UP)
        return 0

    cdef int on_finish(self) except -1:
        if self.descriptor < 0:
            self.is_released = True
        return 0

    cdef int on_abort(self) except -1:
        self.kill()
        if self.home.is_ending and self.descriptor >= 0:
            # The loop stands still, so this is the last look: a killed child does not take long.
            poll = select.poll()
            poll.register(self.descriptor, select.POLLIN)
            if poll.poll(KILL_MILLISECONDS):
                self.reap()
            else:
                give_up(self)
        return 0

    cdef int on_alarm(self, int kind) except -1:
        if kind == GIVE_UP and self.descriptor >= 0:
            return give_up(self)
        return Source.on_alarm(self, kind)

    cdef int on_closed(self) except -1:
        self.transport = None
        return 0

    cdef int forsake(self) except -1:
        # It is the parent's child, and goes on.
        self.transport = None
        return drop_descriptor(self)

    def describe(self):
        """What `tree` says beside the name."""
        return "running" if self.descriptor >= 0 else f"returned {self.process.returncode}"


cdef int drop_descriptor(Child child) except -1:
    cdef int descriptor = child.descriptor
    if descriptor >= 0:
        child.descriptor = -1
        child.home.poller_.unwatch(descriptor)
        os.close(descriptor)
    return 0


cdef int give_up(Child child) except -1:
    log.warning("child process pid %d does not end although it was killed", child.process.pid)
    drop_descriptor(child)
    return child.release()
