# What the ready queue runs, and the queue itself. Knows no timer, no scope and no descriptor.
#
# Rule: the queue owns what it holds, and cancelling marks, it does not dig.

import asyncio
import sys
import traceback

from cpython.contextvars cimport PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject_CallObject
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject


cdef class Work:
    """Something that the loop runs once, from the top of its dispatch."""

    cdef int run(self) except -1:
        return 0


cdef class Ready:
    """First in, first out: a ring of what is to run. Its capacity is a power of two."""

    def __cinit__(self):
        self.capacity = 64
        self.items = <PyObject**>PyMem_Malloc(self.capacity * sizeof(PyObject*))
        if self.items == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.items != NULL:
            while self.count:
                self.pop()
            PyMem_Free(self.items)

    def __len__(self):
        return self.count

    cdef int push(self, object item) except -1:
        if self.count == self.capacity:
            grow(self, self.capacity * 2)
        Py_INCREF(item)
        self.items[(self.head + self.count) & (self.capacity - 1)] = <PyObject*>item
        self.count += 1
        return 0

    cdef object pop(self):
        cdef object item = <object>self.items[self.head]
        Py_DECREF(item)
        self.head = (self.head + 1) & (self.capacity - 1)
        self.count -= 1
        return item

    cdef int clear(self) except -1:
        while self.count:
            self.pop()
        return 0


cdef int grow(Ready ready, Py_ssize_t capacity) except -1:
    cdef PyObject** items = <PyObject**>PyMem_Malloc(capacity * sizeof(PyObject*))
    cdef Py_ssize_t index
    if items == NULL:
        raise MemoryError
    for index in range(ready.count):
        items[index] = ready.items[(ready.head + index) & (ready.capacity - 1)]
    PyMem_Free(ready.items)
    ready.items = items
    ready.capacity = capacity
    ready.head = 0
    return 0


cdef class Handle(Work):
    """asyncio's handle of a callback: what `call_soon` returns.

    It answers to the names of `asyncio.Handle` that libraries use, and to `isinstance`.
    """

    def __init__(self, callback, args, loop, context=None, debug=False):
        self.callback = callback
        self.args = args
        self.loop = loop
        self.context = PyContext_CopyCurrent() if context is None else context
        if debug:
            self.source_traceback = extract_stack()

    def cancel(self):
        """Do not call it; calling this again has no effect."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self.callback = None
            self.args = None

    def cancelled(self):
        """Whether `cancel` was called."""
        return self.is_cancelled

    def get_context(self):
        """The context the callback runs in."""
        return self.context

    @property
    def __class__(self):
        return asyncio.Handle

    @property
    def _callback(self):
        return self.callback

    @property
    def _args(self):
        return self.args

    @property
    def _cancelled(self):
        return self.is_cancelled

    @property
    def _source_traceback(self):
        return self.source_traceback

    def _run(self):
        self.call()

    cdef int run(self) except -1:
        self.call()
        return 0

    cdef int call(self) except -1:
        cdef object callback = self.callback, args = self.args, context = self.context
        try:
            PyContext_Enter(context)
            try:
                PyObject_CallObject(callback, args)
            finally:
                PyContext_Exit(context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            report(self, callback, args, error)
        return 0

    def __repr__(self):
        return f"<{' '.join(self.described())}>"

    cdef list described(self):
        cdef list words = [type(self).__name__]
        if self.is_cancelled:
            words.append("cancelled")
        if self.callback is not None:
            words.append(call_described(self, self.callback, self.args))
        if self.source_traceback:
            made = self.source_traceback[len(self.source_traceback) - 1]
            words.append(f"created at {made.filename}:{made.lineno}")
        return words


cdef str call_described(Handle handle, object callback, object args):
    if sys.version_info < (3, 13):
        return asyncio.format_helpers._format_callback_source(callback, args)
    return asyncio.format_helpers._format_callback_source(
        callback, args, debug=handle.loop.get_debug()
    )


cdef int report(Handle handle, object callback, object args, object error) except -1:
    context = {
        "message": f"Exception in callback {call_described(handle, callback, args)}",
        "exception": error,
        "handle": handle,
    }
    if handle.source_traceback:
        context["source_traceback"] = handle.source_traceback
    handle.loop.call_exception_handler(context)
    return 0


def extract_stack():
    """Where a handle was made, for debug mode: the innermost call last."""
    stack = traceback.StackSummary.extract(
        traceback.walk_stack(sys._getframe()), limit=10, lookup_lines=False
    )
    stack.reverse()
    return stack
