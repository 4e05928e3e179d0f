# Bytes between those who write and those who read them, for Python and for the rooms above.
# Knows chains of chunks, no stream and no loop.
#
# Whatever may run Python code (an observer, a release function, somebody's buffer protocol) runs
# where the buffer is whole, and what was read before it is not relied on behind it.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release
from cpython.buffer cimport PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject, PyTypeObject, visitproc
from libc.errno cimport EINTR, errno

from tether.stream.chain cimport CONSTANT, FILE, LARGEST_BLOCK, OWN, REFERENCE, Chunk, load_error
from tether.stream.referred cimport File, Reference, open_again, refer_to
from tether.stream.search cimport ANY, CRLF, CRLF_OR_LF, LF, NUL, Line, find, find_line, is_same
from tether.stream.transfer cimport read, write
from tether.stream.views cimport new_room

import os
import stat

cdef extern from "../engine/collecting.h":
    void set_collecting "tether_set_collecting" (
        PyTypeObject* type,
        int (*traverse)(PyObject*, visitproc, void*) noexcept,
        int (*clear)(PyObject*) noexcept)

cdef extern from "Python.h":
    int descriptor_of "PyObject_AsFileDescriptor" (object file) except -1
    Py_ssize_t clamped "PyNumber_AsSsize_t" (object number, void* error) except? -1
    Py_ssize_t PY_SSIZE_T_MAX

cdef dict LINE_ENDS = {
    "lf": LF, "crlf": CRLF, "crlf-or-lf": CRLF_OR_LF, "nul": NUL, "any": ANY
}


@cython.final
cdef class Buffer(Viewed):
    """Bytes in order: added at the end or at the front, taken from the front.

    They lie in a chain of chunks, so that neither adding, nor taking, nor moving them to another
    buffer copies what is there. Small additions share chunks; `bytes` of 2 KiB and more are referred
    to; `append_reference` and `append_file` refer to other memory and to files.

    While somebody holds a view of the bytes (`memoryview(buffer)`, `peek`, `contiguous`), adding and
    taking raise BufferError, as they do for a bytearray.

    Args:
        data: bytes to begin with, or anything with the buffer protocol.

    >>> buffer = Buffer(b"GET / HTTP/1.1\\r\\nHost: a")
    >>> buffer.readline()
    b'GET / HTTP/1.1'
    >>> buffer.readline() is None
    True
    >>> buffer.append(b"\\r\\n")
    >>> buffer.find(b"\\r\\n"), len(buffer)
    (7, 9)
    """

    def __cinit__(self, data=b""):
        self.chain = Chain.__new__(Chain)
        self.append(data)

    # Adding

    def append(self, data):
        """Add bytes at the end: a copy, where `data` is not `bytes` of 2 KiB or more.

        Args:
            data: bytes, or anything contiguous with the buffer protocol.
        """
        add(self, data, False)

    def prepend(self, data):
        """Add bytes at the front, as `append` does at the end. A search begins anew."""
        add(self, data, True)

    def __iadd__(self, data):
        add(self, data, False)
        return self

    def append_reference(self, data, release=None):
        """Add bytes at the end without copying them: `data` is held until the last of them is taken.

        Args:
            data: anything contiguous with the buffer protocol; its bytes must not change meanwhile.
            release: called once as `release(data)` when nothing of it is left here or in a buffer
                that it was moved to, or when that is cleared or dies. What it raises goes to
                `sys.unraisablehook`. Where this method raises, it is not called.
        """
        cdef Reference reference
        cdef Py_ssize_t size
        if release is not None and not callable(release):
            raise TypeError(f"release is called with the data, and {release!r} is not callable")
        reference = refer_to(data)
        size = reference.size
        self.check()
        if size:
            self.chain.append_part(REFERENCE, reference, reference.where, size, 0)
        reference.release = release
        reference = None
        self.changed(size, 0)

    def append_file(self, file, offset=0, size=None):
        """Add a part of a regular file at the end. Sending it is the system's (sendfile), and it does
        not enter the process; what looks at it (`find`, `peek`, `read`, ...) reads it.

        Args:
            file: a descriptor or what has one; it may be closed at once, the buffer has its own.
            offset: bytes before the part.
            size: bytes; None: the rest of the file.

        Raises:
            ValueError: no regular file, or it is not that long.
            OSError: also later, by what takes or looks: the file cannot be read, or is shorter than
                it was (EIO).
        """
        cdef File own = open_again(descriptor_of(file))
        status = os.fstat(own.descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("only a part of a regular file can be added")
        length = status.st_size - offset if size is None else size
        if offset < 0 or length < 0 or offset + length > status.st_size:
            raise ValueError(f"the file has {status.st_size} bytes: no {length} from {offset} on")
        self.check()
        if length:
            self.chain.append_part(FILE, own, NULL, length, offset)
        self.changed(length, 0)

    def move_to(self, Buffer target not None, size=None):
        """Move bytes from the front to the end of another buffer, without copying what is long.

        Args:
            target: another buffer.
            size: bytes, at most; None: all.

        Returns:
            How many were moved.
        """
        cdef Py_ssize_t moved = bounded(self, size)
        if target is self:
            raise ValueError("a buffer is not moved to itself")
        target.check()
        self.move_into(target.chain, moved)
        try:
            self.changed(0, moved)
        finally:
            target.changed(moved, 0)
        return moved

    def reserve(self, Py_ssize_t size):
        """Memory for `size` bytes to be received into: a writable memoryview, for `commit`.

        The buffer may change meanwhile. A second `reserve` takes back the first one's memory.
        """
        cdef Room room
        if size <= 0:
            raise ValueError(f"a number of bytes to reserve is 1 or more, got {size}")
        self.take_room()
        room = new_room(size)
        self.room_view = memoryview(room)
        self.room = room
        return self.room_view

    def commit(self, Py_ssize_t size):
        """Add the first `size` bytes of what was reserved at the end; the view of it is released.

        Raises:
            ValueError: nothing is reserved, or less than that.
            BufferError: somebody holds another view of it; nothing was added.
        """
        cdef Room room
        if self.room is None:
            raise ValueError("nothing is reserved")
        if size < 0 or size > self.room.size:
            raise ValueError(f"{self.room.size} bytes are reserved, not {size}")
        self.check()
        room = self.take_room()
        if size:
            self.chain.append_block(<PyObject*>room.block, size)
        self.changed(size, 0)

    def read_from(self, fd, limit=LARGEST_BLOCK):
        """Read from a descriptor, once, to the end of the buffer.

        Args:
            fd: a descriptor or what has one.
            limit: bytes, at most. About 64 KiB are read at once.

        Returns:
            How many bytes there were; 0 at the end of file.

        Raises:
            BlockingIOError: there is nothing to read yet.
            OSError: what the system says.
        """
        cdef int descriptor = descriptor_of(fd)
        cdef Py_ssize_t most = size_of(limit), got = 0 if most == 0 else -1
        while got < 0:
            self.check()
            got = read_once(self, descriptor, most)
        self.changed(got, 0)
        return got

    # Taking

    def write_to(self, fd, limit=None):
        """Write to a descriptor, once, from the front of the buffer, and drain what was taken.

        Args:
            fd: a descriptor or what has one.
            limit: bytes, at most; None: as many as it takes.

        Returns:
            How many bytes it took.

        Raises:
            BlockingIOError: it takes none now.
            OSError: what the system says.
        """
        cdef int descriptor = descriptor_of(fd)
        cdef Py_ssize_t most = bounded(self, limit), taken = -1
        while taken < 0:
            self.check()
            taken = write_once(self, descriptor, min(most, self.chain.size))
        self.remove(taken)
        return taken

    def drain(self, size):
        """Drop bytes from the front: `size`, or all where there are fewer. Returns how many."""
        cdef Py_ssize_t dropped = bounded(self, size)
        self.check()
        self.remove(dropped)
        return dropped

    def clear(self):
        """Drop all bytes."""
        self.check()
        self.remove(self.chain.size)

    def read(self, size=None):
        """Take bytes from the front: `size`, or all where there are fewer or `size` is None."""
        cdef Py_ssize_t taken = bounded(self, size)
        self.check()
        data = self.copied(0, taken)
        self.remove(taken)
        return data

    def readinto(self, target):
        """Take bytes from the front into writable memory, as many as there are and it has room for.

        Returns:
            How many.
        """
        cdef Py_buffer view
        cdef Py_ssize_t taken
        PyObject_GetBuffer(target, &view, PyBUF_WRITABLE)
        try:
            self.check()
            taken = min(view.len, self.chain.size)
            self.chain.copy_out(0, <char*>view.buf, taken)
        finally:
            PyBuffer_Release(&view)
        self.remove(taken)
        return taken

    def readline(self, end="crlf-or-lf", limit=None):
        """Take a line from the front, without its end; None where no line is complete yet.

        Where it looked in vain it does not look again, unless `end` is another or bytes are prepended:
        a line that comes byte by byte is searched once.

        Args:
            end: what ends it. "lf"; "crlf", and nothing less; "crlf-or-lf"; "nul"; "any": CR, LF or
                CRLF (a CR that came last is waited behind: LF may follow).
            limit: bytes that a line may have; None: any number.

        Raises:
            ValueError: the line is longer than `limit`; nothing was taken.
        """
        cdef Line line
        cdef Py_ssize_t most = PY_SSIZE_T_MAX if limit is None else size_of(limit), stop
        cdef object kind = LINE_ENDS.get(end)
        if kind is None:
            raise ValueError(f"end is one of {', '.join(LINE_ENDS)}, got {end!r}")
        self.check()
        if kind != self.looked_for:
            self.looked_for = kind
            self.looked = 0
        stop = min(most, PY_SSIZE_T_MAX - 2) + (1 if self.looked_for in (LF, NUL) else 2)
        is_cut = stop <= self.chain.size
        stop = min(stop, self.chain.size)
        find_line(self.chain, &self.place, self.looked_for, min(self.looked, stop), stop, &line)
        if line.size < 0:
            self.looked = max(self.looked, line.looked)
        if line.size > most or line.size < 0 and is_cut:
            raise ValueError(f"a line is longer than {limit} bytes")
        if line.size < 0:
            return None
        data = self.copied(0, line.size)
        self.remove(line.size + line.end)
        return data

    # Looking

    def find(self, data, start=0, end=None):
        """Where `data` first lies as a whole between `start` and `end`, as `bytes.find` says it: -1
        means nowhere. It takes time in proportion to what it looks at."""
        cdef Py_buffer view
        cdef Py_ssize_t found, first, last
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            first, last = between(self, start, end)
            if first > last:
                found = -1
            elif view.len == 0:
                found = first
            else:
                found = find(self.chain, &self.place, <char*>view.buf, view.len, first, last)
        finally:
            PyBuffer_Release(&view)
        return found

    def __contains__(self, data):
        return self.find(data) >= 0

    def tobytes(self, start=0, end=None):
        """A copy of the bytes between `start` and `end`, which stay."""
        cdef Py_ssize_t first, last
        first, last = between(self, start, end)
        return self.copied(first, max(last - first, <Py_ssize_t>0))

    def peek(self, size=None):
        """Read-only views of the first `size` bytes (None: all) where they lie, a tuple in order."""
        cdef Py_ssize_t rest = bounded(self, size)
        cdef Chunk* chunk = self.chain.first
        cdef list views
        self.exports += 1  # making a view may run the collector, and that anything
        try:
            views = []
            while rest > 0:
                if chunk.kind == FILE and self.chain.load(chunk) < 0:
                    load_error()
                views.append(self.view(chunk.data, min(rest, chunk.size)))
                rest -= chunk.size
                chunk = chunk.next
            return tuple(views)
        finally:
            self.exports -= 1

    def contiguous(self, size=None):
        """A read-only view of the first `size` bytes (None: all) in one piece: what does not lie in
        one is copied together, which costs no more than once in all for views that grow.

        Raises:
            ValueError: there are fewer.
            BufferError: they lie apart, and somebody holds a view of them there.
        """
        cdef Py_ssize_t wanted = 0 if size is None else size_of(size)
        if size is None:
            wanted = self.chain.size
        if wanted > self.chain.size:
            raise ValueError(f"there are {self.chain.size} bytes, not {wanted}")
        return self.view(self.join(wanted), wanted)

    @property
    def chunks(self):
        """How many chunks there are."""
        cdef Chunk* chunk = self.chain.first
        cdef Py_ssize_t count = 0
        while chunk != NULL:
            count += 1
            chunk = chunk.next
        return count

    def on_change(self, callback):
        """Call `callback(added, drained)` after each change, with the numbers of bytes.

        It is called at once, by whoever made the change, with the buffer as it is then. Changes that
        are made meanwhile (in it, or in a release function that it causes) are told together when all
        have been called. Its exceptions go to `sys.unraisablehook`, as whoever changes a buffer has
        nothing to do with them; only what is no `Exception` (KeyboardInterrupt) comes out there.

        Returns:
            An `Observer`, with `cancel()`.
        """
        if not callable(callback):
            raise TypeError(f"an observer is called, and {callback!r} is not callable")
        if self.changes is None:
            self.changes = Changes.__new__(Changes)
        return self.changes.observe(callback)

    def __len__(self):
        return self.chain.size

    def __bool__(self):
        return self.chain.size > 0

    def __iter__(self):
        return iter(self.peek())

    def __bytes__(self):
        return self.copied(0, self.chain.size)

    def __eq__(self, other):
        cdef Py_buffer view
        cdef Chunk chunk
        if isinstance(other, Buffer):
            return is_same(self.chain, (<Buffer>other).chain, (<Buffer>other).chain.first)
        try:
            PyObject_GetBuffer(other, &view, PyBUF_SIMPLE)
        except (TypeError, BufferError):
            return NotImplemented
        try:
            if view.len != self.chain.size:
                return False
            chunk.next = NULL
            chunk.data = <char*>view.buf
            chunk.size = view.len
            chunk.kind = REFERENCE
            return is_same(self.chain, None, &chunk)
        finally:
            PyBuffer_Release(&view)

    __hash__ = None

    def __repr__(self):
        return f"<Buffer {self.chain.size} bytes in {self.chunks} chunks>"

    def __reduce__(self):
        return Buffer, (self.copied(0, self.chain.size),)

    def __sizeof__(self):
        """With the memory of its own that it holds, whole blocks; not what it refers to."""
        cdef Chunk* chunk = self.chain.first
        cdef PyObject* block = self.chain.block
        cdef Py_ssize_t size = object.__sizeof__(self) + object.__sizeof__(self.chain)
        if block != NULL:
            size += PyBytes_GET_SIZE(<object>block)
        while chunk != NULL:
            size += sizeof(Chunk)
            if chunk.kind == OWN and chunk.owner != block and chunk.owner != self.chain.block:
                block = chunk.owner
                size += PyBytes_GET_SIZE(<object>block)
            chunk = chunk.next
        return size if self.room is None else size + self.room.size

    def __getbuffer__(self, Py_buffer* view, int flags):
        cdef Py_ssize_t size = -1
        cdef char* data = NULL
        while size != self.chain.size:  # release functions may have changed it
            size = self.chain.size
            data = self.join(size)
        PyBuffer_FillInfo(view, self, data, size, 1, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.exports -= 1

    cdef int check(self) except -1:
        if self.exports:
            raise BufferError("a view of these bytes is held: they cannot change")
        return 0

    cdef char* join(self, Py_ssize_t size) except NULL:
        # The first `size` bytes in one piece. The chunks that go may run release functions.
        cdef Chain chain = self.chain
        while True:
            if size > chain.size:
                raise BufferError("a release function has taken these bytes")
            if size == 0:
                return b""
            if chain.first.kind != FILE and chain.first.size >= size:
                return chain.first.data
            self.check()
            self.place.chunk = NULL
            chain.pull_up(size)

    cdef Room take_room(self):
        # What was reserved, once nobody can write to it any more.
        cdef Room room = self.room
        if room is not None:
            room.take_back(self.room_view)
            self.room = None
            self.room_view = None
        return room

    cdef bytes copied(self, Py_ssize_t start, Py_ssize_t size):
        cdef Chunk* chunk = self.chain.first
        if start == 0 and size and chunk.size == size and chunk.kind == CONSTANT:
            if PyBytes_GET_SIZE(<object>chunk.owner) == size:
                return <bytes>chunk.owner
        data = PyBytes_FromStringAndSize(NULL, size)
        self.chain.copy_out(start, PyBytes_AS_STRING(data), size)
        return data

    cdef int remove(self, Py_ssize_t size) except -1:
        self.removed(size)
        self.chain.drop(size)
        if not self.exports and self.chain.shrink():
            self.place.chunk = NULL
        return self.changed(0, size)

    cdef int move_into(self, Chain chain, Py_ssize_t size) except -1:
        # To whom it may concern is not told yet.
        self.check()
        chain.take(self.chain, size)
        return self.removed(size)

    cdef int removed(self, Py_ssize_t size) noexcept:
        # What was remembered of the bytes behind them holds.
        if self.place.before >= size:
            self.place.before -= size
        else:
            self.place.chunk = NULL
        self.looked = max(self.looked - size, <Py_ssize_t>0)
        return 0

    cdef int changed(self, Py_ssize_t added, Py_ssize_t drained) except -1:
        if self.changes is None or not added and not drained:
            return 0
        return self.changes.tell(added, drained)


cdef int add(Buffer buffer, object data, bint in_front) except -1:
    cdef Py_buffer view
    cdef Py_ssize_t size
    if isinstance(data, Buffer):
        data = (<Buffer>data).copied(0, (<Buffer>data).chain.size)
    if type(data) is bytes:
        buffer.check()
        size = PyBytes_GET_SIZE(data)
        if in_front:
            buffer.chain.prepend_bytes(data)
        else:
            buffer.chain.append_bytes(data)
    else:
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            buffer.check()
            size = view.len
            if in_front:
                buffer.chain.prepend(<char*>view.buf, size)
            else:
                buffer.chain.append(<char*>view.buf, size)
        finally:
            PyBuffer_Release(&view)
    if in_front and size:
        buffer.place.chunk = NULL
        buffer.looked = 0
    return buffer.changed(size, 0)


cdef Py_ssize_t size_of(object size) except -1:
    cdef Py_ssize_t number = clamped(size, NULL)
    if number < 0:
        raise ValueError(f"a number of bytes is 0 or more, got {size}")
    return number


cdef Py_ssize_t bounded(Buffer buffer, object size) except -1:
    cdef Py_ssize_t number = PY_SSIZE_T_MAX if size is None else size_of(size)
    return min(number, buffer.chain.size)


cdef (Py_ssize_t, Py_ssize_t) between(Buffer buffer, object start, object end):
    # As slices have them: negative ones count from the end.
    cdef Py_ssize_t first = clamped(start, NULL)
    cdef Py_ssize_t last = PY_SSIZE_T_MAX if end is None else clamped(end, NULL)
    cdef Py_ssize_t size = buffer.chain.size
    if first < 0:
        first = max(first + size, <Py_ssize_t>0)
    if last < 0:
        last = max(last + size, <Py_ssize_t>0)
    return first, min(last, size)


cdef Py_ssize_t read_once(Buffer buffer, int descriptor, Py_ssize_t limit) except -2:
    # -1: a signal came first.
    cdef Chain chain = buffer.chain
    cdef Py_ssize_t room = min(limit, chain.room()), got
    cdef bytes block = None
    if limit > room:
        block = PyBytes_FromStringAndSize(NULL, min(limit - room, <Py_ssize_t>LARGEST_BLOCK))
    buffer.exports += 1  # another thread may come by
    got = read(chain, descriptor, limit, block)
    buffer.exports -= 1
    if got < 0:
        return interrupted()
    if got and room:
        chain.reserve(min(got, room))  # it lies there
    if got > room:
        chain.append_block(<PyObject*>block, got - room)
    return got


cdef Py_ssize_t write_once(Buffer buffer, int descriptor, Py_ssize_t limit) except -2:
    cdef Py_ssize_t taken
    if limit == 0:
        return 0
    buffer.exports += 1
    taken = write(buffer.chain, descriptor, limit)
    buffer.exports -= 1
    return interrupted() if taken < 0 else taken


cdef int interrupted() except -2:
    # A system call failed, or was interrupted: then it is made again.
    if errno != EINTR:
        load_error()
    PyErr_CheckSignals()
    return -1


cdef int traverse_buffer(PyObject* self, visitproc visit, void* argument) noexcept:
    # A reference that was divided is held by each of its parts.
    cdef Chunk* chunk = NULL
    cdef int result = visit(<PyObject*>(<Buffer>self).changes, argument)
    if result == 0:
        result = visit(<PyObject*>(<Buffer>self).room_view, argument)
    if (<Buffer>self).chain is not None:
        chunk = (<Buffer>self).chain.first
    while chunk != NULL and result == 0:
        if chunk.kind == REFERENCE:
            result = visit(chunk.owner, argument)
        chunk = chunk.next
    return result


cdef int clear_buffer(PyObject* self) noexcept:
    # It stays a buffer: what the collector ends with it may still use it.
    cdef Buffer buffer = <Buffer>self
    buffer.changes = None
    if not buffer.exports:
        buffer.place.chunk = NULL
        buffer.chain.clear()
    return 0


set_collecting(<PyTypeObject*>Buffer, traverse_buffer, clear_buffer)
