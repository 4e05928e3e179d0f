# How a task waits for a native object and is woken. Knows the ready queue, no scope and no stream.

from tether.engine.timers cimport TimerHeap
from tether.engine.work cimport Ready, Work


cdef class Dispatcher:
    cdef Ready ready
    cdef TimerHeap timers
    cdef int depth             # above 0 while somebody's Python code runs below the dispatch
    cdef unsigned long thread  # that runs the loop, 0 while none does
    cdef bint is_dead          # the loop was closed, or is another process's
    cdef bint is_inherited     # by a forked child, whose loop it is not
    cdef int entering          # above 0 while scopes enter closing: nobody's Python code runs then
    cdef list endings          # what is closed when they all have entered it, in this order
    cdef double now            # when this pass began to serve
    cdef double clock(self) noexcept nogil
    cdef int check_thread(self) except -1
    cdef object refusal(self)
    # What the loop does for scopes, which know no descriptors:
    cdef Py_ssize_t watch_count  # watches of scopes that are active
    cdef object watch(self, object scope, object fd, object events, object callback, bint edge)
    cdef object on_signal(self, object scope, object number, object callback, tuple args)
    cdef int drop_hook(self, object hook) except -1


cdef class Waiter(Work):
    cdef object __weakref__
    cdef Dispatcher loop
    cdef object callback, context, error
    cdef bint is_done, blocking
    cdef int wake(self) except -1
    cdef int fail(self, object error) except -1


cdef int wake_all(list waiters) except -1


cdef class Awaiting:
    cdef Dispatcher loop
    cdef Waiter waiter
    cdef bint has_waited
    cdef bint ready(self) except -1
    cdef object take(self)
    cdef int wait(self, Waiter waiter) except -1
    cdef int forget(self, Waiter waiter) except -1
    cdef object step(self, bint* is_over)
