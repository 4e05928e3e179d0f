# Deadlines in order: a wheel of far ones before a heap of near ones. Knows no scope; what is due is
# only handed on.
#
# Rules: a timer fires late, never early; equal deadlines keep the order in which they were set;
# what is cancelled is let go at once. To set and to cancel one costs the same however many there
# are: it goes into, and out of, a bucket of the wheel. Whoever fires passes through the heap, which
# holds what falls due within a tick. With 100,000 of them what counts is how often one that lies
# elsewhere in memory is looked at, so deadlines stand in the arrays, not in what is due.
#
# The wheel: a tick is 1/1024 s. Level 0 has a bucket for each tick, level 1 one for 64 ticks, and so
# on. A deadline lies at the level of the highest digit (of 64) in which its tick differs from the
# present one, so a bucket of a lower level always comes before one of a higher level, and within a
# level the lower number comes first. When the time reaches a bucket, what is in it is put in place
# again: at a lower level, or in the heap.
# cython: embedsignature.format=clinic

import asyncio

cimport cython
from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, visitproc
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject, PyTypeObject
from libc.math cimport INFINITY

from tether.engine.work cimport let_go, visit_work

cdef extern from *:
    """
    #define tether_lowest_bit(bits) ((int)__builtin_ctzll(bits))
    #define tether_highest_bit(bits) (63 - (int)__builtin_clzll(bits))
    #define tether_fetch(address) __builtin_prefetch(address)
    """
    void fetch "tether_fetch" (void* address) noexcept
    int lowest_bit "tether_lowest_bit" (uint64_t bits) noexcept nogil
    int highest_bit "tether_highest_bit" (uint64_t bits) noexcept nogil

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
    LOOKED_AT = 4096

cdef double TICKS = 1024.0  # in a second
cdef int64_t LAST_TICK = (<int64_t>1 << (DIGIT * LEVELS)) - 1  # in 139 years


cdef inline int64_t tick_of(double when) noexcept nogil:
    cdef double ticks = when * TICKS
    return <int64_t>ticks if ticks < <double>LAST_TICK else LAST_TICK


cdef inline bint precedes(Entry* left, Entry* right) noexcept nogil:
    return left.when < right.when or (left.when == right.when and left.order < right.order)


cdef class Timers:
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
        return self.count

    cdef int push(self, double when, Work work) except -1:
        cdef Entry entry
        if not when >= 0:
            when = 0  # in the past, or not a number at all: due at once
        self.order += 1
        entry.when = when
        entry.order = self.order
        entry.work = <PyObject*>work
        place(self, &entry)
        Py_INCREF(work)
        work.is_pending = True
        self.count += 1
        return 0

    cdef int drop(self, Work work) except -1:
        # It was cancelled. Near its deadline it is only marked: it leaves the heap within a tick.
        cdef Bucket* bucket = &self.buckets[work.bucket]
        cdef Py_ssize_t index = work.index
        if not work.is_pending or index >= bucket.count:
            return 0
        if bucket.entries[index].work != <PyObject*>work:
            return 0
        if bucket.entries[index].when == bucket.earliest:
            bucket.is_stale = True
        # Its place stays empty: to fill it would touch another that lies elsewhere in memory.
        bucket.entries[index].work = NULL
        bucket.live -= 1
        if bucket.live == 0:
            self.filled[work.bucket // 64] &= ~(<uint64_t>1 << (work.bucket % 64))
            PyMem_Free(bucket.entries)
            bucket.entries = NULL
            bucket.capacity = bucket.count = 0
        elif bucket.count > SMALLEST and bucket.live * 4 < bucket.count:
            compact(bucket)
        self.count -= 1
        work.is_pending = False
        Py_DECREF(work)
        return 0

    cdef double next_when(self) except -2:
        # Not later than the earliest deadline, or -1 where nothing is pending.
        cdef int level
        while self.near and (<Work>self.entries[0].work).is_cancelled:
            self.count -= 1
            release(take_first(self))
        if self.near:
            return self.entries[0].when
        for level in range(LEVELS):
            if self.filled[level]:
                return earliest(&self.buckets[level * 64 + lowest_bit(self.filled[level])])
        return -1.0

    cdef Py_ssize_t due(self, double now, Ready ready) except -1:
        # Hands on, in order, what is due at `now`; returns how many that were.
        cdef int64_t until = tick_of(now)
        cdef Py_ssize_t handed = 0
        cdef PyObject* work
        while True:
            while self.near and self.entries[0].when <= now:
                if not handed:
                    self.first = self.entries[0].when
                handed += 1
                work = take_first(self)
                (<Work>work).is_pending = False
                self.count -= 1
                ready.give(work)
            if not turn(self, until):
                break
        if self.capacity > SMALLEST and self.near * 8 < self.capacity:
            resize(&self.entries, &self.capacity, self.capacity // 4)
        return handed

    cdef int clear(self) except -1:
        cdef Bucket bucket
        cdef Py_ssize_t number
        while self.near:
            self.near -= 1
            self.count -= 1
            release(self.entries[self.near].work)
        for number in range(BUCKETS):
            # Taken out first: what is released may set or cancel others.
            bucket = self.buckets[number]
            empty(&self.buckets[number])
            self.filled[number // 64] &= ~(<uint64_t>1 << (number % 64))
            self.count -= bucket.live
            while bucket.count:
                bucket.count -= 1
                if bucket.entries[bucket.count].work != NULL:
                    release(bucket.entries[bucket.count].work)
            PyMem_Free(bucket.entries)
        return 0


cdef void empty(Bucket* bucket) noexcept:
    # What it held is somebody else's now.
    bucket.entries = NULL
    bucket.count = bucket.live = bucket.capacity = 0


cdef int release(PyObject* work) except -1:
    (<Work>work).is_pending = False
    if isinstance(<Work>work, Handle):
        let_go(<Handle>work)  # who keeps it would be kept by it
    Py_DECREF(<Work>work)
    return 0


cdef int place(Timers timers, Entry* entry) except -1:
    # Into the heap where its tick has come, else into the bucket of its tick.
    cdef int64_t tick = tick_of(entry.when)
    cdef int level, number
    cdef Bucket* bucket
    if tick <= timers.tick:
        return add(timers, entry[0])
    level = highest_bit(<uint64_t>(tick ^ timers.tick)) // DIGIT
    number = (tick >> (level * DIGIT)) & 63
    bucket = &timers.buckets[level * 64 + number]
    if bucket.count == bucket.capacity:
        if bucket.live * 2 <= bucket.count and bucket.count:
            compact(bucket)
        else:
            resize(&bucket.entries, &bucket.capacity, max(4, bucket.capacity * 2))
    if bucket.count == 0:
        timers.filled[level] |= <uint64_t>1 << number
        bucket.earliest = entry.when
        bucket.is_stale = False
    elif entry.when < bucket.earliest:
        bucket.earliest = entry.when
    bucket.entries[bucket.count] = entry[0]
    (<Work>entry.work).bucket = level * 64 + number
    (<Work>entry.work).index = bucket.count
    bucket.count += 1
    bucket.live += 1
    return 0


cdef int compact(Bucket* bucket) except -1:
    # Closes the gaps that the cancelled left: as many steps as it has had cancellations.
    cdef Py_ssize_t index, kept = 0
    for index in range(bucket.count):
        if bucket.entries[index].work != NULL:
            bucket.entries[kept] = bucket.entries[index]
            (<Work>bucket.entries[kept].work).index = kept
            kept += 1
    bucket.count = kept
    if bucket.capacity > SMALLEST and kept * 4 < bucket.capacity:
        resize(&bucket.entries, &bucket.capacity, kept * 2)
    return 0


cdef double earliest(Bucket* bucket) noexcept:
    # In a long bucket one that was cancelled may still stand for it: at worst the loop wakes once.
    cdef Py_ssize_t index
    if bucket.is_stale and bucket.count <= LOOKED_AT:
        bucket.is_stale = False
        bucket.earliest = INFINITY
        for index in range(bucket.count):
            if bucket.entries[index].work != NULL:
                bucket.earliest = min(bucket.earliest, bucket.entries[index].when)
    return bucket.earliest


cdef bint turn(Timers timers, int64_t until) except -1:
    # On to the next bucket that begins by then; whether there was one.
    cdef int level, number
    cdef int64_t start
    cdef Py_ssize_t index
    cdef Bucket bucket
    for level in range(LEVELS):
        if timers.filled[level]:
            break
    else:
        timers.tick = max(timers.tick, until)
        return False
    number = lowest_bit(timers.filled[level])
    start = (timers.tick >> ((level + 1) * DIGIT) << DIGIT | number) << (level * DIGIT)
    if start > until:
        timers.tick = max(timers.tick, until)
        return False
    timers.tick = start
    timers.filled[level] &= ~(<uint64_t>1 << number)
    bucket = timers.buckets[level * 64 + number]
    empty(&timers.buckets[level * 64 + number])
    for index in range(bucket.count):
        if bucket.entries[index].work != NULL:
            place(timers, &bucket.entries[index])
    PyMem_Free(bucket.entries)
    return True


cdef int add(Timers timers, Entry entry) except -1:
    if timers.near == timers.capacity:
        resize(&timers.entries, &timers.capacity, timers.capacity * 2)
    timers.near += 1
    sift_up(timers.entries, timers.near - 1, entry)
    return 0


cdef int resize(Entry** entries, Py_ssize_t* capacity, Py_ssize_t wanted) except -1:
    cdef Entry* moved = <Entry*>PyMem_Realloc(entries[0], wanted * sizeof(Entry))
    if moved == NULL:
        raise MemoryError
    entries[0] = moved
    capacity[0] = wanted
    return 0


cdef PyObject* take_first(Timers timers) noexcept:
    cdef PyObject* work = timers.entries[0].work
    timers.near -= 1
    if timers.near:
        sift_down(timers.entries, timers.near, 0, timers.entries[timers.near])
    return work


cdef void sift_up(Entry* entries, Py_ssize_t index, Entry entry) noexcept nogil:
    cdef Py_ssize_t parent
    while index > 0:
        parent = (index - 1) // 4
        if not precedes(&entry, &entries[parent]):
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
            if precedes(&entries[child], &entries[best]):
                best = child
            child += 1
        if not precedes(&entries[best], &entry):
            break
        entries[index] = entries[best]
        index = best
    entries[index] = entry


cdef int visit_entries(Entry* entries, Py_ssize_t count, visitproc visit, void* argument) noexcept:
    cdef Py_ssize_t index
    cdef int result
    for index in range(count):
        if entries[index].work == NULL:
            continue
        if index + AHEAD < count:
            fetch(entries[index + AHEAD].work)
            fetch(<char*>entries[index + AHEAD].work + 64)
        result = visit_work(entries[index].work, visit, argument)
        if result:
            return result
    return 0


cdef int traverse_timers(PyObject* self, visitproc visit, void* argument) noexcept:
    cdef Timers timers = <Timers>self
    cdef Bucket* bucket = timers.buckets
    cdef int result = visit_entries(timers.entries, timers.near, visit, argument)
    while not result and bucket < &timers.buckets[BUCKETS]:
        result = visit_entries(bucket.entries, bucket.count, visit, argument)
        bucket += 1
    return result


cdef int clear_timers(PyObject* self) except -1:
    return (<Timers>self).clear()


@cython.no_gc
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

    @cython.binding(False)
    def cancel(self):
        """Do not call it; calling this again has no effect."""
        if not self.is_cancelled:
            self.is_cancelled = True
            let_go(self)
            self.timers.drop(self)

    def __hash__(self):
        return hash(self.deadline)

    def __richcmp__(self, other, int operator):
        # As asyncio's: by the deadline; equal are only those that also do the same.
        cdef TimerHandle timer
        cdef bint is_same
        if not isinstance(other, TimerHandle):
            return NotImplemented
        timer = <TimerHandle>other
        if operator == Py_LT:
            return self.deadline < timer.deadline
        if operator == Py_GT:
            return self.deadline > timer.deadline
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

    cdef int visit(self, visitproc visit, void* argument) noexcept:
        return visit(<PyObject*>self.timers, argument) or Handle.visit(self, visit, argument)


cdef TimerHandle one_timer(
    Timers timers, double when, object loop, object callback, object args, object context
):
    # A native call, since there is one for every `call_later`.
    cdef TimerHandle handle = <TimerHandle>TimerHandle.__new__(TimerHandle)
    handle.loop = loop
    handle.callback = callback
    handle.args = args
    handle.context = PyContext_CopyCurrent() if context is None else context
    handle.is_once = True
    handle.deadline = when
    handle.timers = timers
    timers.push(when, handle)
    return handle


keep_freed(<PyTypeObject*>TimerHandle)
set_collecting(<PyTypeObject*>Timers, traverse_timers, clear_timers)
