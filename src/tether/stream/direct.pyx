# A TLS session on OpenSSL itself. Knows the layout of Python's ssl objects, and checks it.
#
# Through `ssl.SSLObject` a 1 KiB message costs twice what its encryption does: bytes objects, an
# exception for "no more", two more copies. So context, certificates, host name and handshake are
# the ssl module's business, and reading and writing call OpenSSL on the SSL* that its object holds.
# That is safe where (1) the functions come from the very libssl that `_ssl` is linked with, and
# (2) the objects have the layout that CPython gives them since 3.10, which is proved by what lies
# beside the pointers before they are followed. Else `ObjectSession` serves.

import os
import ssl

import _ssl

from libc.errno cimport errno
from cpython.object cimport PyObject
from libc.errno cimport errno
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from tether.stream.output cimport Output
from tether.stream.session cimport BROKEN, DRY, ENDED, MORE

cdef extern from "<dlfcn.h>" nogil:
    void* dlopen(const char* name, int flags)
    void* dlsym(void* handle, const char* name)
    enum:
        RTLD_LAZY
        RTLD_NOLOAD

ctypedef int (*ReadFunction)(void*, void*, size_t, size_t*) noexcept nogil
ctypedef int (*WriteFunction)(void*, const void*, size_t, size_t*) noexcept nogil
ctypedef int (*ErrorFunction)(void*, int) noexcept nogil
ctypedef int (*ShutdownFunction)(void*) noexcept nogil
ctypedef void* (*GetFunction)(void*) noexcept nogil
ctypedef void (*SetFunction)(void*, void*) noexcept nogil
ctypedef void (*SetTwoFunction)(void*, void*, void*) noexcept nogil
ctypedef void (*FlagsFunction)(void*, int) noexcept nogil
ctypedef unsigned long (*CodeFunction)() noexcept nogil
ctypedef const char* (*TextFunction)(unsigned long) noexcept nogil
ctypedef int (*IndexFunction)() noexcept nogil
ctypedef void* (*MethodFunction)(int, const char*) noexcept nogil
ctypedef int (*MethodPartFunction)(void*, void*) noexcept nogil

cdef enum:
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_ZERO_RETURN = 6
    BIO_TYPE_SOURCE_SINK = 0x0400
    BIO_RETRY_READ = 0x09    # BIO_FLAGS_SHOULD_RETRY | BIO_FLAGS_READ
    BIO_RETRY_ANY = 0x0F
    BIO_CTRL_PENDING = 10
    BIO_CTRL_FLUSH = 11
    BIO_CTRL_DUP = 12
    BIO_CTRL_WPENDING = 13
    KEPT = 16 * 1024         # a buffer of one session that grew beyond it is not kept

cdef ReadFunction SSL_read_ex
cdef WriteFunction SSL_write_ex
cdef ErrorFunction SSL_get_error
cdef ShutdownFunction SSL_shutdown
cdef SetTwoFunction SSL_set_bio
cdef GetFunction SSL_get_rbio, SSL_get_wbio, SSL_get_SSL_CTX, BIO_new, BIO_get_data
cdef SetFunction BIO_set_data
cdef FlagsFunction BIO_set_init, BIO_set_flags, BIO_clear_flags
cdef CodeFunction ERR_clear_error, ERR_peek_last_error, OpenSSL_version_num
cdef TextFunction ERR_reason_error_string
cdef void* bio_method = NULL

# Where what is sealed gathers. It is sent, or copied, before anybody else can seal: in between no
# Python code runs, and the interpreter's lock is held.
cdef Buffer sealed
memset(&sealed, 0, sizeof(sealed))


# What OpenSSL calls. In a handshake that is without the interpreter's lock, so only memory of C's
# own is touched.

cdef int read_bio(void* bio, char* where, int room) noexcept nogil:
    cdef Channel* channel = <Channel*>BIO_get_data(bio)
    cdef size_t size = min(<size_t>room, channel.input_left) if room > 0 else 0
    BIO_clear_flags(bio, BIO_RETRY_ANY)
    if size == 0:
        BIO_set_flags(bio, BIO_RETRY_READ)
        return -1
    memcpy(where, channel.input, size)
    channel.input += size
    channel.input_left -= size
    return <int>size


cdef int write_bio(void* bio, const char* data, int size) noexcept nogil:
    cdef Channel* channel = <Channel*>BIO_get_data(bio)
    BIO_clear_flags(bio, BIO_RETRY_ANY)
    if size <= 0 or not make_room(channel.output, size):
        return -1
    memcpy(channel.output.data + channel.output.size, data, size)
    channel.output.size += size
    return size


cdef long control_bio(void* bio, int command, long number, void* pointer) noexcept nogil:
    cdef Channel* channel = <Channel*>BIO_get_data(bio)
    if command == BIO_CTRL_FLUSH or command == BIO_CTRL_DUP:
        return 1
    if command == BIO_CTRL_PENDING:
        return <long>channel.input_left
    if command == BIO_CTRL_WPENDING:
        return <long>channel.output.size
    return 0


cdef int destroy_bio(void* bio) noexcept nogil:
    cdef Channel* channel = <Channel*>BIO_get_data(bio)
    if channel != NULL:
        BIO_set_data(bio, NULL)
        free(channel.held)
        free(channel.own.data)
        free(channel)
    return 1


cdef bint make_room(Buffer* buffer, size_t size) noexcept nogil:
    cdef size_t capacity = max(buffer.capacity, <size_t>1024)
    cdef char* data
    if buffer.capacity - buffer.size >= size:
        return True
    while capacity - buffer.size < size:
        capacity *= 2
    data = <char*>realloc(buffer.data, capacity)
    if data == NULL:
        return False
    buffer.data = data
    buffer.capacity = capacity
    return True


cdef class DirectSession(Session):
    """A session through OpenSSL; its handshake through the `ssl.SSLObject` that owns the SSL*."""

    cdef int feed(self, const char* data, Py_ssize_t size) except -1:
        cdef Channel* channel = self.channel
        cdef char* both
        if channel.input_left == 0:
            channel.input = data
            channel.input_left = size
            channel.is_borrowed = True
            return 0
        both = <char*>malloc(channel.input_left + size)
        if both == NULL:
            raise MemoryError
        memcpy(both, channel.input, channel.input_left)
        memcpy(both + channel.input_left, data, size)
        free(channel.held)
        channel.held = both
        channel.input = both
        channel.input_left += size
        channel.is_borrowed = False
        return 0

    cdef int settle(self) except -1:
        cdef Channel* channel = self.channel
        cdef char* rest
        if channel.input_left == 0:
            if channel.held != NULL:
                free(channel.held)
                channel.held = NULL
        elif channel.is_borrowed:
            rest = <char*>malloc(channel.input_left)
            if rest == NULL:
                raise MemoryError
            memcpy(rest, channel.input, channel.input_left)
            free(channel.held)
            channel.held = rest
            channel.input = rest
            channel.is_borrowed = False
        return 0

    cdef Py_ssize_t read(self, char* where, Py_ssize_t room) except -1:
        cdef size_t got, total = 0, wanted = room
        cdef int kind
        ERR_clear_error()
        while total < wanted:
            if SSL_read_ex(self.ssl, where + total, wanted - total, &got) != 1:
                kind = SSL_get_error(self.ssl, 0)
                if kind == SSL_ERROR_WANT_READ or kind == SSL_ERROR_WANT_WRITE:
                    self.status = DRY
                elif kind == SSL_ERROR_ZERO_RETURN:
                    self.status = ENDED
                else:
                    self.error = last_error(kind)
                    self.status = BROKEN
                return total
            total += got
            if total < wanted and self.channel.input_left == 0:
                # Less than was asked for: the record is used up, and no other has begun.
                self.status = DRY
                return total
        self.status = MORE
        return total

    cdef Py_ssize_t seal(self, Output plain, Py_ssize_t limit, const char** where) except -1:
        cdef Channel* channel = self.channel
        cdef char* piece
        cdef size_t written
        cdef Py_ssize_t size
        cdef int kind
        ERR_clear_error()
        sealed.size = 0
        channel.output = &sealed
        while plain.size and limit > 0:
            size = min(plain.first_piece(&piece), limit)
            if size < 0:
                self.error = OSError(errno, os.strerror(errno))
                break
            if SSL_write_ex(self.ssl, piece, size, &written) != 1:
                kind = SSL_get_error(self.ssl, 0)
                if kind != SSL_ERROR_WANT_READ and kind != SSL_ERROR_WANT_WRITE:
                    self.error = last_error(kind)
                break  # where it wants something, the peer has to speak first
            plain.drop(written)
            limit -= written
        channel.output = &channel.own
        where[0] = sealed.data
        return sealed.size

    cdef Py_ssize_t produced(self, const char** where) except -1:
        where[0] = self.channel.own.data
        return self.channel.own.size

    cdef int taken(self) except -1:
        cdef Buffer* buffer = &self.channel.own
        buffer.size = 0
        if buffer.capacity > KEPT:
            free(buffer.data)
            memset(buffer, 0, sizeof(Buffer))
        return 0

    cdef int goodbye(self) except -1:
        ERR_clear_error()
        SSL_shutdown(self.ssl)
        ERR_clear_error()
        return 0


cdef object last_error(int kind):
    # As the ssl module would raise it.
    cdef unsigned long code = ERR_peek_last_error()
    cdef const char* text = ERR_reason_error_string(code) if code else NULL
    words = text.decode("ascii", "replace") if text != NULL else f"OpenSSL error {kind}"
    reason = words.upper().replace(" ", "_")
    error = ssl.SSLError(kind, f"[SSL: {reason}] {words}")
    error.library = "SSL"
    error.reason = reason
    ERR_clear_error()
    return error


cdef void* word(object thing, int number) noexcept:
    # The `number`-th pointer after an object's head.
    return (<void**>(<char*><PyObject*>thing + sizeof(PyObject)))[number]


cdef bint has_layout(object ssl_object) except -1:
    # PySSLSocket begins: no socket, the SSL*, its context; the last is what Python says it is.
    cdef object inner = getattr(ssl_object, "_sslobj", None)
    if type(ssl_object) is not ssl.SSLObject or type(inner) is not _ssl._SSLSocket:
        return False
    return (
        word(inner, 0) == NULL
        and word(inner, 1) != NULL
        and word(inner, 2) == <void*><PyObject*>inner.context
    )


cdef DirectSession open_direct(object context, bint server_side, object server_hostname):
    # None where the context makes objects of another kind.
    cdef DirectSession session
    cdef Channel* channel
    cdef void* bio
    ssl_object = context.wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=server_side, server_hostname=server_hostname
    )
    if not has_layout(ssl_object):
        return None
    bio = BIO_new(bio_method)
    channel = <Channel*>malloc(sizeof(Channel))
    if bio == NULL or channel == NULL:
        raise MemoryError
    memset(channel, 0, sizeof(Channel))
    channel.output = &channel.own
    BIO_set_data(bio, channel)
    BIO_set_init(bio, 1)
    session = DirectSession.__new__(DirectSession)
    session.ssl_object = ssl_object
    session.ssl = word(ssl_object._sslobj, 1)
    session.channel = channel
    SSL_set_bio(session.ssl, bio, bio)  # it owns it from here, and the channel with it
    return session


cdef void* find(void* library, const char* name) except NULL:
    cdef void* found = dlsym(library, name)
    if found == NULL:
        raise OSError(f"{name.decode()} is not in the libssl that Python uses")
    return found


cdef int load() except -1:
    global SSL_read_ex, SSL_write_ex, SSL_get_error, SSL_shutdown, SSL_set_bio, SSL_get_rbio
    global SSL_get_wbio, SSL_get_SSL_CTX, BIO_new, BIO_get_data, BIO_set_data, BIO_set_init
    global BIO_set_flags, BIO_clear_flags, ERR_clear_error, ERR_peek_last_error
    global ERR_reason_error_string, OpenSSL_version_num, bio_method
    path = getattr(_ssl, "__file__", None)
    if path is None:
        raise OSError("this Python has its OpenSSL built in")
    # Names are looked up in that module and in what it is linked with, and nowhere else.
    cdef void* library = dlopen(path.encode(), RTLD_LAZY | RTLD_NOLOAD)
    if library == NULL:
        raise OSError(f"{path} is not loaded")
    SSL_read_ex = <ReadFunction>find(library, "SSL_read_ex")
    SSL_write_ex = <WriteFunction>find(library, "SSL_write_ex")
    SSL_get_error = <ErrorFunction>find(library, "SSL_get_error")
    SSL_shutdown = <ShutdownFunction>find(library, "SSL_shutdown")
    SSL_set_bio = <SetTwoFunction>find(library, "SSL_set_bio")
    SSL_get_rbio = <GetFunction>find(library, "SSL_get_rbio")
    SSL_get_wbio = <GetFunction>find(library, "SSL_get_wbio")
    SSL_get_SSL_CTX = <GetFunction>find(library, "SSL_get_SSL_CTX")
    BIO_new = <GetFunction>find(library, "BIO_new")
    BIO_get_data = <GetFunction>find(library, "BIO_get_data")
    BIO_set_data = <SetFunction>find(library, "BIO_set_data")
    BIO_set_init = <FlagsFunction>find(library, "BIO_set_init")
    BIO_set_flags = <FlagsFunction>find(library, "BIO_set_flags")
    BIO_clear_flags = <FlagsFunction>find(library, "BIO_clear_flags")
    ERR_clear_error = <CodeFunction>find(library, "ERR_clear_error")
    ERR_peek_last_error = <CodeFunction>find(library, "ERR_peek_last_error")
    ERR_reason_error_string = <TextFunction>find(library, "ERR_reason_error_string")
    OpenSSL_version_num = <CodeFunction>find(library, "OpenSSL_version_num")
    if OpenSSL_version_num() != <unsigned long>ssl.OPENSSL_VERSION_NUMBER:
        raise OSError("another OpenSSL than Python's was found")
    prove_layout()
    method = (<MethodFunction>find(library, "BIO_meth_new"))(
        (<IndexFunction>find(library, "BIO_get_new_index"))() | BIO_TYPE_SOURCE_SINK, "tether"
    )
    if method == NULL:
        raise MemoryError
    (<MethodPartFunction>find(library, "BIO_meth_set_read"))(method, <void*>read_bio)
    (<MethodPartFunction>find(library, "BIO_meth_set_write"))(method, <void*>write_bio)
    (<MethodPartFunction>find(library, "BIO_meth_set_ctrl"))(method, <void*>control_bio)
    (<MethodPartFunction>find(library, "BIO_meth_set_destroy"))(method, <void*>destroy_bio)
    bio_method = method
    return 0


cdef int prove_layout() except -1:
    # What is behind the pointers of a new object has to be what was given to it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context.check_hostname = False
    ssl_object = context.wrap_bio(incoming, outgoing)
    if not has_layout(ssl_object):
        raise OSError("the ssl module's objects have an unknown layout")
    session = word(ssl_object._sslobj, 1)
    if not (
        SSL_get_rbio(session) == word(incoming, 0)
        and SSL_get_wbio(session) == word(outgoing, 0)
        and SSL_get_SSL_CTX(session) == word(context, 0)
    ):
        raise OSError("the ssl module's objects have an unknown layout")
    return 0


#: Why OpenSSL cannot be called directly here, "" where it can.
unavailable = ""
try:
    load()
except OSError as error:
    unavailable = str(error)
