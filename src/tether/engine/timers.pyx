# Deadlines in order: a 4-ary heap of work that falls due. Knows no scope; what is due is only handed on.
#
# Rules: a timer fires late, never early; equal deadlines keep the order in which they were set;
# cancelling marks and counts, and a heap that is half marks is rebuilt, so memory follows what is
# pending and not what was.

import asyncio

from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

cdef enum:
    SMALLEST = 64


cdef inline bint before(Entry* left, Entry* right) noexcept nogil:
    return left.when < right.when or (left.when == right.when and left.order < right.order)


cdef class TimerHeap:
    """What falls due, earliest first. It owns what it holds."""

    def __cinit__(self):
        self.capacity = SMALLEST
        self.entries = <Entry*>PyMem_Malloc(self.capacity * sizeof(Entry))
        if self.entries == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.entries != NULL:
            self.clear()
            PyMem_Free(self.entries)

    def __len__(self):
        return self.count - self.cancelled

    cdef int push(self, double when, Work work) except -1:
        if not when >= 0:
            when = 0  # in the past, or not a number at all: due at once
        if self.count == self.capacity:
            resize(self, self.capacity * 2)
        Py_INCREF(work)
        work.is_pending = True
        self.order += 1
        cdef Entry entry
        entry.when = when
        entry.order = self.order
        entry.work = <PyObject*>work
        self.count += 1
        sift_up(self.entries, self.count - 1, entry)
        return 0

    cdef int cancel_one(self) except -1:
        # Digging a timer out costs more than carrying it, until half of them are dead.
        self.cancelled += 1
        if self.cancelled * 2 > self.count and self.count > SMALLEST:
            rebuild(self)
        return 0

    cdef double next_when(self) except -2:
        # The earliest deadline, or -1 where nothing is pending.
        while self.count and (<Work>self.entries[0].work).is_cancelled:
            drop_first(self)
            self.cancelled -= 1
        return self.entries[0].when if self.count else -1.0

    cdef int due(self, double now, Ready ready) except -1:
        # Hands on, in order, what is due at `now`.
        cdef Work work
        while self.count and self.entries[0].when <= now:
            work = <Work>self.entries[0].work
            drop_first(self)
            if work.is_cancelled:
                self.cancelled -= 1
            else:
                work.is_pending = False
                ready.push(work)
        if self.capacity > SMALLEST and self.count * 8 < self.capacity:
            resize(self, max(SMALLEST, self.capacity // 4))
        return 0

    cdef int clear(self) except -1:
        cdef PyObject* work
        while self.count:
            self.count -= 1
            work = self.entries[self.count].work
            (<Work>work).is_pending = False
            Py_DECREF(<Work>work)
        self.cancelled = 0
        return 0


cdef int resize(TimerHeap heap, Py_ssize_t capacity) except -1:
    cdef Entry* entries = <Entry*>PyMem_Realloc(heap.entries, capacity * sizeof(Entry))
    if entries == NULL:
        raise MemoryError
    heap.entries = entries
    heap.capacity = capacity
    return 0


cdef int drop_first(TimerHeap heap) except -1:
    cdef PyObject* work = heap.entries[0].work
    heap.count -= 1
    if heap.count:
        sift_down(heap.entries, heap.count, 0, heap.entries[heap.count])
    Py_DECREF(<Work>work)
    return 0


cdef int rebuild(TimerHeap heap) except -1:
    # Two passes, so that no reference is dropped while the array is out of order.
    cdef Py_ssize_t index, kept = 0
    cdef list dead = []
    for index in range(heap.count):
        if (<Work>heap.entries[index].work).is_cancelled:
            dead.append(<Work>heap.entries[index].work)
            Py_DECREF(<Work>heap.entries[index].work)
        else:
            heap.entries[kept] = heap.entries[index]
            kept += 1
    heap.count = kept
    heap.cancelled = 0
    for index in range((kept - 2) // 4 if kept > 1 else -1, -1, -1):
        sift_down(heap.entries, kept, index, heap.entries[index])
    if heap.capacity > SMALLEST and heap.count * 8 < heap.capacity:
        resize(heap, max(SMALLEST, heap.capacity // 4))
    return 0


cdef void sift_up(Entry* entries, Py_ssize_t index, Entry entry) noexcept nogil:
    cdef Py_ssize_t parent
    while index > 0:
        parent = (index - 1) // 4
        if not before(&entry, &entries[parent]):
            break
        entries[index] = entries[parent]
        index = parent
    entries[index] = entry


cdef void sift_down(
    Entry* entries, Py_ssize_t count, Py_ssize_t index, Entry entry
) noexcept nogil:
    cdef Py_ssize_t child, best, last
    while True:
        child = index * 4 + 1
        if child >= count:
            break
        best = child
        last = min(child + 4, count)
        child += 1
        while child < last:
            if before(&entries[child], &entries[best]):
                best = child
            child += 1
        if not before(&entries[best], &entry):
            break
        entries[index] = entries[best]
        index = best
    entries[index] = entry


cdef class TimerHandle(Handle):
    """asyncio's handle of a timer: what `call_later` and `call_at` return."""

    def when(self):
        """The deadline, in seconds of the loop's clock."""
        return self.deadline

    @property
    def __class__(self):
        return asyncio.TimerHandle

    @property
    def _when(self):
        return self.deadline

    @property
    def _scheduled(self):
        return self.is_pending

    def cancel(self):
        """Do not call it; calling this again has no effect."""
        if not self.is_cancelled:
            Handle.cancel(self)
            if self.is_pending:
                self.heap.cancel_one()

    def __hash__(self):
        return hash(self.deadline)

    def __richcmp__(self, other, int operator):
        # As asyncio's: by the deadline; equal are only those that also do the same.
        cdef TimerHandle timer
        cdef bint is_same
        if not isinstance(other, TimerHandle):
            return NotImplemented
        timer = <TimerHandle>other
        if operator == Py_LT or operator == Py_GT:
            return timer.deadline != self.deadline and (
                (self.deadline < timer.deadline) == (operator == Py_LT)
            )
        is_same = (
            self.deadline == timer.deadline
            and self.callback == timer.callback
            and self.args == timer.args
            and self.is_cancelled == timer.is_cancelled
        )
        if operator == Py_LE:
            return self.deadline < timer.deadline or is_same
        if operator == Py_GE:
            return self.deadline > timer.deadline or is_same
        return is_same == (operator == Py_EQ)

    cdef list described(self):
        cdef list words = Handle.described(self)
        words.insert(2 if self.is_cancelled else 1, f"when={self.deadline}")
        return words
