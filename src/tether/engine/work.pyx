# What the ready queue runs, and the queue itself. Knows no timer, no scope and no descriptor.
#
# Rules: the queue owns what it holds, and cancelling marks, it does not dig. A handle takes no part
# in garbage collection, for there is one for every callback: while it waits, the queue shows the
# collector what it refers to, and when it is over it refers to nothing.
# cython: embedsignature.format=clinic

import asyncio
import sys
import traceback

cimport cython
from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport visitproc
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject, PyTypeObject

cdef extern from *:
    """
    /* Runs a callback in its context; NULL with an exception set. */
    static PyObject *tether_call(PyObject *callback, PyObject *args, PyObject *context) {
        PyObject *result;
        if (PyContext_Enter(context) < 0) return NULL;
        result = PyObject_Vectorcall(callback, &PyTuple_GET_ITEM(args, 0),
                                     (size_t)PyTuple_GET_SIZE(args), NULL);
        if (PyContext_Exit(context) < 0) Py_CLEAR(result);
        return result;
    }
    static int tether_pending_error(void) { return -1; }
    #define tether_fetch(address) __builtin_prefetch(address)
    """
    void fetch "tether_fetch" (void* address) noexcept
    PyObject* call_in_context "tether_call" (object callback, object args, object context)
    int raise_pending "tether_pending_error" () except -1
    bint is_a "PyObject_TypeCheck" (PyObject* thing, PyTypeObject* type) noexcept
    Py_ssize_t references "Py_REFCNT" (PyObject* thing) noexcept

cdef extern from "freelist.h":
    void keep_freed "tether_keep_freed" (PyTypeObject* type)

cdef extern from "collecting.h":
    void set_collecting "tether_set_collecting" (
        PyTypeObject* type,
        int (*traverse)(PyObject*, visitproc, void*) noexcept,
        int (*clear)(PyObject*) except -1)

cdef enum:
    SMALLEST = 64
    AHEAD = 8
    KEPT = 4096  # items there is room for, when all have run


cdef class Work:
    """Something that the loop runs once, from the top of its dispatch."""

    cdef int run(self) except -1:
        return 0


cdef class Ready:
    """First in, first out: a ring of what is to run. Its capacity is a power of two."""

    def __cinit__(self):
        self.capacity = SMALLEST
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
            resize(self, self.capacity * 2)
        Py_INCREF(item)
        self.items[(self.head + self.count) & (self.capacity - 1)] = <PyObject*>item
        self.count += 1
        return 0

    cdef int give(self, PyObject* item) except -1:
        # As `push`, with the giver's reference.
        if self.count == self.capacity:
            resize(self, self.capacity * 2)
        self.items[(self.head + self.count) & (self.capacity - 1)] = item
        self.count += 1
        return 0

    cdef object pop(self):
        cdef object item = <object>self.items[self.head]
        Py_DECREF(item)
        if self.count > AHEAD:  # of a long queue nothing is in the cache
            fetch(self.items[(self.head + AHEAD) & (self.capacity - 1)])
            fetch(<char*>self.items[(self.head + AHEAD) & (self.capacity - 1)] + 64)
        self.head = (self.head + 1) & (self.capacity - 1)
        self.count -= 1
        if self.count == 0 and self.capacity > KEPT:
            resize(self, KEPT)
        return item

    cdef int clear(self) except -1:
        cdef object item
        while self.count:
            item = self.pop()
            if isinstance(item, Handle):
                let_go(<Handle>item)  # who keeps it would be kept by it
        return 0


cdef int resize(Ready ready, Py_ssize_t capacity) except -1:
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


cdef int traverse_ready(PyObject* self, visitproc visit, void* argument) noexcept:
    cdef Py_ssize_t index
    cdef int result
    for index in range((<Ready>self).count):
        result = visit_work(
            (<Ready>self).items[((<Ready>self).head + index) & ((<Ready>self).capacity - 1)],
            visit,
            argument,
        )
        if result:
            return result
    return 0


cdef int clear_ready(PyObject* self) except -1:
    return (<Ready>self).clear()


cdef int visit_work(PyObject* work, visitproc visit, void* argument) noexcept:
    # A handle that only its queue refers to is seen through. One that somebody holds is not: what
    # it refers to stays, until it has run or was cancelled.
    if is_a(work, <PyTypeObject*>Handle):
        return (<Handle>work).visit(visit, argument) if references(work) == 1 else 0
    return visit(work, argument)


@cython.no_gc
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

    @cython.binding(False)
    def cancel(self):
        """Do not call it; calling this again has no effect."""
        if not self.is_cancelled:
            self.is_cancelled = True
            let_go(self)

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
        # Held here: it may cancel itself.
        cdef object loop = self.loop, callback = self.callback, args = self.args
        cdef object context = self.context
        cdef PyObject* result = call_in_context(callback, args, context)
        if result == NULL:
            failed(self, loop, callback, args)
        else:
            Py_DECREF(<object>result)
        if self.is_once:
            let_go(self)
        return 0

    cdef int visit(self, visitproc visit, void* argument) noexcept:
        return (
            visit(<PyObject*>self.loop, argument)
            or visit(<PyObject*>self.callback, argument)
            or visit(<PyObject*>self.args, argument)
            or visit(<PyObject*>self.context, argument)
        )

    def __repr__(self):
        return f"<{' '.join(self.described())}>"

    cdef list described(self):
        cdef list words = [type(self).__name__]
        if self.is_cancelled:
            words.append("cancelled")
        if self.callback is not None:
            words.append(call_described(self.loop, self.callback, self.args))
        if self.source_traceback:
            made = self.source_traceback[len(self.source_traceback) - 1]
            words.append(f"created at {made.filename}:{made.lineno}")
        return words


cdef str call_described(object loop, object callback, object args):
    if sys.version_info < (3, 13):
        return asyncio.format_helpers._format_callback_source(callback, args)
    return asyncio.format_helpers._format_callback_source(
        callback, args, debug=loop.get_debug()
    )


cdef Handle one_shot(object loop, object callback, object args, object context):
    # A handle that runs once; a native call, since there is one for every `call_soon`.
    cdef Handle handle = <Handle>Handle.__new__(Handle)
    handle.loop = loop
    handle.callback = callback
    handle.args = args
    handle.context = PyContext_CopyCurrent() if context is None else context
    handle.is_once = True
    return handle


cdef int let_go(Handle handle) except -1:
    # Whoever keeps a handle that is over keeps nothing else by it.
    handle.callback = None
    handle.args = None
    handle.context = None
    handle.loop = None
    return 0


cdef int failed(Handle handle, object loop, object callback, object args) except -1:
    try:
        raise_pending()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        report(handle, loop, callback, args, error)
    return 0


cdef int report(
    Handle handle, object loop, object callback, object args, object error
) except -1:
    context = {
        "message": f"Exception in callback {call_described(loop, callback, args)}",
        "exception": error,
        "handle": handle,
    }
    if handle.source_traceback:
        context["source_traceback"] = handle.source_traceback
    loop.call_exception_handler(context)
    return 0


def extract_stack():
    """Where a handle was made, for debug mode: the innermost call last."""
    stack = traceback.StackSummary.extract(
        traceback.walk_stack(sys._getframe()), limit=10, lookup_lines=False
    )
    stack.reverse()
    return stack


keep_freed(<PyTypeObject*>Handle)
set_collecting(<PyTypeObject*>Ready, traverse_ready, clear_ready)
