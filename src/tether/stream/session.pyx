# One side of one TLS connection: bytes in, bytes out. Knows `ssl`, no stream and no descriptor.
#
# `ObjectSession` uses nothing but the `ssl` module. It serves where `direct.pyx` cannot look behind
# Python's object; both pass the same tests.

import os
import ssl

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport errno

cdef extern from "Python.h":
    enum:
        PyBUF_READ
        PyBUF_WRITE

cdef object WantRead = ssl.SSLWantReadError
cdef object WantWrite = ssl.SSLWantWriteError
cdef object ZeroReturn = ssl.SSLZeroReturnError


cdef class Session:
    """What a TLS layer asks: the handshake, decrypting, encrypting, the goodbye."""

    cdef int handshake(self) except -1:
        # One step of it; 1 when it is over. What it raises is the failure.
        try:
            self.ssl_object.do_handshake()
        except (WantRead, WantWrite):
            return 0
        return 1

    cdef int feed(self, const char* data, Py_ssize_t size) except -1:
        # From the wire. `data` has to stay where it is until `settle`.
        raise NotImplementedError

    cdef int settle(self) except -1:
        # Keeps what of `data` was not used.
        return 0

    cdef Py_ssize_t read(self, char* where, Py_ssize_t room) except -1:
        # Plaintext, all there is and as much as there is room for; `status` says why no more.
        raise NotImplementedError

    cdef Py_ssize_t seal(self, Output plain, Py_ssize_t limit, const char** where) except -1:
        # Encrypts up to `limit` bytes of `plain`: what that makes is at `where` until any session
        # seals again. Fewer are taken where the peer has to speak first, or where `error` is set.
        raise NotImplementedError

    cdef int sealed_taken(self) except -1:
        # What was sealed has found its place.
        return 0

    cdef Py_ssize_t produced(self, const char** where) except -1:
        # What else has to go on the wire, before what is sealed next; then `taken` is called.
        raise NotImplementedError

    cdef int taken(self) except -1:
        # What was produced has found its place.
        return 0

    cdef int goodbye(self) except -1:
        # close_notify, without waiting for the peer's.
        try:
            self.ssl_object.unwrap()
        except ssl.SSLError:
            pass  # it was produced, or the session is past saying it
        return 0


cdef class ObjectSession(Session):
    """A session through `ssl.SSLObject` and its memory BIOs."""

    def __init__(self, context, server_side, server_hostname):
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server_side, server_hostname=server_hostname
        )

    cdef int feed(self, const char* data, Py_ssize_t size) except -1:
        self.incoming.write(PyMemoryView_FromMemory(<char*>data, size, PyBUF_READ))
        return 0

    cdef Py_ssize_t read(self, char* where, Py_ssize_t room) except -1:
        cdef Py_ssize_t got, total = 0
        while total < room:
            try:
                got = self.ssl_object.read(
                    room - total, PyMemoryView_FromMemory(where + total, room - total, PyBUF_WRITE)
                )
            except (WantRead, WantWrite):
                self.status = DRY
                return total
            except ZeroReturn:
                got = 0
            except ssl.SSLError as error:
                self.error = error
                self.status = BROKEN
                return total
            if got == 0:
                self.status = ENDED
                return total
            total += got
            if total < room and not self.incoming.pending and not self.ssl_object.pending():
                self.status = DRY
                return total
        self.status = MORE
        return total

    cdef Py_ssize_t seal(self, Output plain, Py_ssize_t limit, const char** where) except -1:
        cdef char* piece
        cdef Py_ssize_t size
        while plain.size and limit > 0:
            size = min(plain.first_piece(&piece), limit)
            if size < 0:
                self.error = OSError(errno, os.strerror(errno))
                break
            try:
                size = self.ssl_object.write(PyMemoryView_FromMemory(piece, size, PyBUF_READ))
            except (WantRead, WantWrite):
                break
            except ssl.SSLError as error:
                self.error = error
                break
            plain.drop(size)
            limit -= size
        return self.produced(where)

    cdef Py_ssize_t produced(self, const char** where) except -1:
        if not self.outgoing.pending:
            return 0
        self.piece = self.outgoing.read()
        where[0] = PyBytes_AS_STRING(self.piece)
        return PyBytes_GET_SIZE(self.piece)

    cdef int taken(self) except -1:
        self.piece = None
        return 0

    cdef int sealed_taken(self) except -1:
        self.piece = None
        return 0
