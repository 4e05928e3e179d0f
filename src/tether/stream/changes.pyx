# Who is told that a buffer changed, and what they were not told yet. Knows numbers of bytes only.

cimport cython
from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable


@cython.final
cdef class Observer:
    """What `Buffer.on_change` calls, until it is cancelled."""

    def cancel(self):
        """It is not called any more; calling this again has no effect."""
        if self.callback is not None:
            self.callback = None
            self.observers.remove(self)


@cython.final
cdef class Changes:
    """The observers of a buffer."""

    def __cinit__(self):
        self.observers = []

    cdef object observe(self, object callback):
        cdef Observer observer = Observer.__new__(Observer)
        observer.callback = callback
        observer.observers = self.observers
        self.observers.append(observer)
        return observer

    cdef int tell(self, Py_ssize_t added, Py_ssize_t drained) except -1:
        # At once; what changes while they are told, they are told together afterwards.
        cdef Observer observer
        cdef object leaving = None
        if not self.observers:
            return 0
        self.added += added
        self.drained += drained
        if self.is_telling:
            return 0
        self.is_telling = True
        try:
            while self.added or self.drained:
                added, drained = self.added, self.drained
                self.added = self.drained = 0
                for observer in tuple(self.observers):
                    callback = observer.callback
                    if callback is None:
                        continue  # cancelled by one before it
                    try:
                        callback(added, drained)
                    except Exception as error:
                        # Whoever changes a buffer has nothing to do with it.
                        PyErr_SetObject(type(error), error)
                        PyErr_WriteUnraisable(callback)
                    except BaseException as error:
                        leaving = error
        finally:
            self.is_telling = False
        if leaving is not None:
            raise leaving
        return 0
