# How a task waits for a native object and is woken. Knows the ready queue, no scope and no stream.
#
# A `Waiter` is what asyncio's task sees of it: it looks like a future, and there is one per await,
# from a freelist. An `Awaiting` is what the user awaits: a plain awaitable that asks its object
# again after each wake, so that a wake which came for another does no harm.

import asyncio

cimport cython
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_INCREF, PyObject, PyTypeObject
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from *:
    """
    static int tether_set_stop_iteration(PyObject *value) {
        /* An exception or a tuple would be unpacked: it needs an instance around it. */
        if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
            PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
            if (stop == NULL) return -1;
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        } else {
            PyErr_SetObject(PyExc_StopIteration, value);
        }
        return 0;
    }
    static void tether_fill_slots(PyTypeObject *type, int (*send)(PyObject *, PyObject *, PyObject **),
                                  PyObject *(*next)(PyObject *)) {
        type->tp_as_async->am_send = (sendfunc)send;
        type->tp_iternext = next;
        PyType_Modified(type);
    }
    """
    void set_stop_iteration "tether_set_stop_iteration" (object value)
    void fill_slots "tether_fill_slots" (
        PyTypeObject* type, int (*send)(PyObject*, PyObject*, PyObject**) except -1,
        PyObject* (*next)(PyObject*) except? NULL)


cdef class Dispatcher:
    """What timers, scopes and waiters need of the loop that runs them."""

    def __cinit__(self):
        self.ready = Ready()
        self.timers = TimerHeap()
        self.endings = []

    cdef double clock(self) noexcept nogil:
        # Monotonic, in seconds; the same clock as `time.monotonic`.
        cdef timespec now
        clock_gettime(CLOCK_MONOTONIC, &now)
        return <double>now.tv_sec + <double>now.tv_nsec * 1e-9

    cdef int check_thread(self) except -1:
        if self.thread and self.thread != <unsigned long>PyThread_get_thread_ident():
            if self.is_inherited:
                raise self.refusal()
            raise RuntimeError(
                "a tether object was used from a foreign thread: "
                "threads talk to a loop through call_soon_threadsafe only"
            )
        return 0

    cdef object refusal(self):
        # Why this loop takes nothing any more.
        if self.is_inherited:
            return RuntimeError(
                "this loop belongs to the process that forked: "
                "a child makes a loop of its own, and only closes this one"
            )
        return RuntimeError("Event loop is closed")

    cdef object watch(self, object scope, object fd, object events, object callback, bint edge):
        raise NotImplementedError

    cdef object on_signal(self, object scope, object number, object callback, tuple args):
        raise NotImplementedError

    cdef int drop_hook(self, object hook) except -1:
        raise NotImplementedError


@cython.final
cdef class Waiter(Work):
    """One task waiting for one thing; to asyncio's task it looks like a future."""

    def __cinit__(self, Dispatcher loop):
        self.loop = loop

    @property
    def _asyncio_future_blocking(self):
        return self.blocking

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value):
        self.blocking = value

    def get_loop(self):
        """The loop it belongs to."""
        return self.loop

    def add_done_callback(self, callback, *, context=None):
        """asyncio's task registers its wake-up here."""
        self.callback = callback
        self.context = context
        if self.is_done:
            self.loop.ready.push(self)

    def remove_done_callback(self, callback):
        """Take the wake-up back; returns how many there were."""
        if self.callback is None or self.callback != callback:
            return 0
        self.callback = None
        return 1

    def done(self):
        """Whether it was woken."""
        return self.is_done

    def cancelled(self):
        """Whether it was cancelled."""
        return isinstance(self.error, asyncio.CancelledError)

    def cancel(self, msg=None):
        """Called by the task that is cancelled while it waits here."""
        if self.is_done:
            return False
        error = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self.error = error
        self.is_done = True
        self.loop.ready.push(self)
        return True

    def result(self):
        """None, or raises what it failed with."""
        if self.error is not None:
            raise self.error

    def exception(self):
        """What it failed with."""
        return self.error

    cdef int wake(self) except -1:
        # At the top of the dispatch the task runs at once; below somebody's code it must queue.
        if self.is_done:
            return 0
        self.is_done = True
        if self.loop.depth == 0 and self.loop.thread and self.callback is not None:
            self.run()
        else:
            self.loop.ready.push(self)
        return 0

    cdef int fail(self, object error) except -1:
        if not self.is_done:
            self.error = error
            self.is_done = True
            self.loop.ready.push(self)
        return 0

    cdef int run(self) except -1:
        cdef object callback = self.callback, context = self.context
        if callback is None:
            return 0
        self.callback = None
        self.loop.depth += 1
        try:
            if context is None:
                callback(self)
                return 0
            PyContext_Enter(context)
            try:
                callback(self)
            finally:
                PyContext_Exit(context)
        finally:
            self.loop.depth -= 1
        return 0


cdef int wake_all(list waiters) except -1:
    # All are woken, even where the task of one lets an exit out: the others wait in the queue then.
    cdef Waiter waiter
    cdef bint is_fatal = False
    for waiter in waiters:
        if is_fatal:
            if not waiter.is_done:
                waiter.is_done = True
                waiter.loop.ready.push(waiter)
            continue
        try:
            waiter.wake()
        except BaseException as error:
            fatal = error
            is_fatal = True
    if is_fatal:
        raise fatal
    return 0


cdef class Awaiting:
    """A plain awaitable: done at once where it can be, else once a native object wakes it."""

    def __init__(self):
        raise TypeError("an awaitable of a scope is made by what is awaited")

    cdef bint ready(self) except -1:
        raise NotImplementedError

    cdef object take(self):
        raise NotImplementedError

    cdef int wait(self, Waiter waiter) except -1:
        raise NotImplementedError

    cdef int forget(self, Waiter waiter) except -1:
        raise NotImplementedError

    cdef object step(self, bint* is_over):
        # The waiter to yield; or, where it is over, the result.
        cdef Waiter waiter = self.waiter
        if waiter is not None:
            if not waiter.is_done:
                raise RuntimeError("awaited by two tasks at once")
            self.waiter = None
            if waiter.error is not None:
                raise waiter.error
        if self.ready():
            is_over[0] = True
            return self.take()
        waiter = Waiter.__new__(Waiter, self.loop)
        self.wait(waiter)
        self.has_waited = True
        waiter.blocking = True
        self.waiter = waiter
        return waiter

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cdef bint is_over = False
        result = self.step(&is_over)
        if is_over:
            raise StopIteration(result)
        return result

    def send(self, value):
        """As a coroutine's `send`."""
        return self.__next__()

    def throw(self, kind, value=None, traceback=None):
        """As a coroutine's `throw`: the wait is over, nothing was taken."""
        self.close()
        if value is None:
            value = kind() if isinstance(kind, type) else kind
        raise value

    def close(self):
        """As a coroutine's `close`: the wait is over, nothing was taken."""
        cdef Waiter waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            self.forget(waiter)


# Cython reports a result through an exception with a traceback, which costs more than the await
# itself. These two fill the type's slots with functions that do not.

cdef int send_slot(PyObject* self, PyObject* argument, PyObject** result) except -1:
    cdef bint is_over = False
    cdef object value = (<Awaiting>self).step(&is_over)
    Py_INCREF(value)
    result[0] = <PyObject*>value
    return 0 if is_over else 1


cdef PyObject* next_slot(PyObject* self) except? NULL:
    cdef bint is_over = False
    cdef object value = (<Awaiting>self).step(&is_over)
    if is_over:
        if value is not None:
            set_stop_iteration(value)
        return NULL
    Py_INCREF(value)
    return <PyObject*>value


fill_slots(<PyTypeObject*>Awaiting, send_slot, next_slot)
