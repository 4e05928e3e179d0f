# Reading requests off the wire: heads and chunked bodies. Knows bytes only.
#
# Strict (RFC 9112): CRLF ends a line, a bare LF or CR never does; no space before the colon, no
# folded line, no second Content-Length or Host, no Content-Length beside Transfer-Encoding, digits
# are ASCII digits. Linear: every byte is looked at a fixed number of times, however it arrives.

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeLatin1

from tether.http.messages import HTTPError

cdef enum:
    TOKEN = 1
    VISIBLE = 2     # in a target: no space, no control, no octet above 126
    VALUE = 4       # in a field value: text, space and tab
    DIGIT = 8
    NAME = 16       # in a registered name (RFC 3986, section 3.2.2)
    LITERAL = 32    # between the brackets of an address
    MAX_DIGITS = 15        # of a Content-Length: below 2**53 in every implementation
    MAX_CHUNK_DIGITS = 8
    MAX_CHUNK_LINE = 256
    MAX_TRAILERS = 8192
    MAX_PIECES = 65536

cdef unsigned char KIND[256]
cdef signed char HEX[256]
for _code in range(256):
    KIND[_code] = (
        (TOKEN if chr(_code) in "!#$%&'*+-.^_`|~" or (_code < 128 and chr(_code).isalnum()) else 0)
        | (VISIBLE if 0x21 <= _code <= 0x7E else 0)
        | (VALUE if _code == 9 or (_code >= 0x20 and _code != 0x7F) else 0)
        | (DIGIT if 0x30 <= _code <= 0x39 else 0)
        | (NAME if _code < 128 and (chr(_code).isalnum() or chr(_code) in "-._~%!$&'()*+;=") else 0)
        | (LITERAL if chr(_code) in "0123456789abcdefABCDEF:." else 0)
    )
    HEX[_code] = int(chr(_code), 16) if chr(_code) in "0123456789abcdefABCDEF" else -1

cdef dict METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE")
}


cdef class RequestHead:
    """A request's line and fields."""


cdef Py_ssize_t find_head_end(const char* data, Py_ssize_t size, Py_ssize_t start) except -2:
    # Where the empty line ends, -1 where it has not come; `start` is what was looked at before.
    # What can be refused already is refused here, so that garbage is not waited for.
    cdef Py_ssize_t index
    cdef unsigned char code
    for index in range(max(<Py_ssize_t>0, start - 3), size):
        code = data[index]
        if code == 10:
            if index == 0 or data[index - 1] != 13:
                raise HTTPError(400, "a line ends with CR LF")
            if index >= 3 and data[index - 2] == 10 and data[index - 3] == 13:
                return index + 1
            if index == 1:
                raise HTTPError(400, "an empty line before the request")
        elif code == 13:
            if index > 0 and data[index - 1] == 13:
                raise HTTPError(400, "a line ends with CR LF")
        elif not KIND[code] & VALUE:
            raise HTTPError(400, "control character in the request head")
        elif index > 0 and data[index - 1] == 13:
            raise HTTPError(400, "a line ends with CR LF")
        elif index == 0 and not KIND[code] & TOKEN:
            raise HTTPError(400, "not an HTTP request")
    return -1


cdef RequestHead parse_request_head(
    const char* data, Py_ssize_t size, Py_ssize_t line_limit, Py_ssize_t count_limit
):
    # `data` is a whole head with its empty line, as `find_head_end` found it.
    cdef RequestHead head = RequestHead.__new__(RequestHead)
    cdef Py_ssize_t position, line_end, colon, begin, end
    cdef bint has_host = False, has_coding = False, says_close = False
    head.length = -1
    position = request_line(head, data, size, line_limit)
    head.keeps_alive = head.minor >= 1
    head.fields = []
    while data[position] != 13:
        if len(head.fields) >= count_limit:
            raise HTTPError(431, "too many header fields")
        if not KIND[<unsigned char>data[position]] & TOKEN:
            raise HTTPError(400, "a header line begins with a name")
        colon = position
        while KIND[<unsigned char>data[colon]] & TOKEN:
            colon += 1
        if data[colon] != 58:
            raise HTTPError(400, "a header name is followed by a colon")
        line_end = colon + 1
        while data[line_end] != 13:
            line_end += 1
        begin = colon + 1
        end = line_end
        while begin < end and (data[begin] == 32 or data[begin] == 9):
            begin += 1
        while end > begin and (data[end - 1] == 32 or data[end - 1] == 9):
            end -= 1
        name = PyUnicode_DecodeLatin1(data + position, colon - position, NULL).lower()
        value = PyUnicode_DecodeLatin1(data + begin, end - begin, NULL)
        head.fields.append((name, value))
        position = line_end + 2
        if name == "host":
            if has_host:
                raise HTTPError(400, "two Host fields")
            has_host = True
            if not is_host(data + begin, end - begin):
                raise HTTPError(400, "the Host field is not host:port")
        elif name == "content-length":
            if head.length >= 0:
                raise HTTPError(400, "two Content-Length fields")
            head.length = number(data + begin, end - begin)
        elif name == "transfer-encoding":
            if has_coding:
                raise HTTPError(400, "two Transfer-Encoding fields")
            has_coding = True
            if value.lower() != "chunked":
                raise HTTPError(501, "only the chunked coding is understood")
            if head.minor == 0:
                raise HTTPError(400, "Transfer-Encoding in HTTP/1.0")
            head.is_chunked = True
        elif name == "connection":
            for option in value.split(","):
                option = option.strip(" \t").lower()
                if option == "close":
                    says_close = True
                elif option == "keep-alive":
                    head.keeps_alive = True
                elif option == "upgrade":
                    head.has_upgrade = head.minor >= 1
        elif name == "expect":
            if value.lower() != "100-continue":
                raise HTTPError(417, "only 100-continue can be expected")
            head.expects_continue = head.minor >= 1
    if says_close:
        head.keeps_alive = False  # whatever else was said beside it
    if not has_host and head.minor >= 1:
        raise HTTPError(400, "no Host field")
    if head.is_chunked and head.length >= 0:
        raise HTTPError(400, "Content-Length beside Transfer-Encoding")
    return head


cdef Py_ssize_t request_line(
    RequestHead head, const char* data, Py_ssize_t size, Py_ssize_t line_limit
) except -1:
    # method SP target SP HTTP-version CRLF; returns where the fields begin.
    cdef Py_ssize_t position = 0, begin, end
    while KIND[<unsigned char>data[position]] & TOKEN:
        position += 1
    if position == 0 or data[position] != 32:
        raise HTTPError(400, "the request line begins with a method and a space")
    method = PyBytes_FromStringAndSize(data, position)
    head.method = METHODS.get(method) or method.decode("ascii")
    begin = position + 1
    position = begin
    while KIND[<unsigned char>data[position]] & VISIBLE:
        position += 1
    if position - begin > line_limit:
        raise HTTPError(414, "the request target is too long")
    if position == begin or data[position] != 32:
        raise HTTPError(400, "the target is visible ASCII between two spaces")
    head.target = PyUnicode_DecodeLatin1(data + begin, position - begin, NULL)
    end = position
    position += 1
    if size - position < 10 or data[position : position + 5] != b"HTTP/":
        raise HTTPError(400, "the request line ends with the version")
    if (
        not KIND[<unsigned char>data[position + 5]] & DIGIT
        or data[position + 6] != 46
        or not KIND[<unsigned char>data[position + 7]] & DIGIT
        or data[position + 8] != 13
    ):
        raise HTTPError(400, "the request line ends with the version")
    if data[position + 5] != 49:
        raise HTTPError(505, "HTTP/1.1 is spoken here")
    head.minor = 1 if data[position + 7] > 48 else 0
    check_target(head, data + begin, end - begin)
    return position + 10


cdef int check_target(RequestHead head, const char* target, Py_ssize_t size) except -1:
    # One of the four forms of RFC 9112, section 3.2; a fragment is part of none.
    cdef Py_ssize_t index
    for index in range(size):
        if target[index] == 35:
            raise HTTPError(400, "a target has no fragment")
    if target[0] == 47:
        return 0
    if head.method == "OPTIONS" and size == 1 and target[0] == 42:
        return 0
    if head.method == "CONNECT":
        if is_host(target, size):
            return 0
    elif b"://" in target[:size]:
        index = 0
        while KIND[<unsigned char>target[index]] & NAME:
            index += 1
        if index and target[index] == 58:
            return 0
    raise HTTPError(400, "the target is of no form that HTTP knows")


cdef bint is_host(const char* text, Py_ssize_t size) noexcept:
    # uri-host [ ":" port ] (RFC 9110, section 7.2); an empty one is allowed.
    cdef Py_ssize_t index = 0
    if size and text[0] == 91:
        index = 1
        while index < size and KIND[<unsigned char>text[index]] & LITERAL:
            index += 1
        if index < 4 or index == size or text[index] != 93:
            return False
        index += 1
    else:
        while index < size and KIND[<unsigned char>text[index]] & NAME:
            index += 1
    if index == size:
        return True
    if text[index] != 58:
        return False
    index += 1
    while index < size and KIND[<unsigned char>text[index]] & DIGIT:
        index += 1
    return index == size


cdef long long number(const char* data, Py_ssize_t size) except -1:
    # [0-9]+, nothing else: no sign, no list, no Unicode digit.
    cdef long long value = 0
    cdef Py_ssize_t index
    if size == 0 or size > MAX_DIGITS:
        raise HTTPError(400, "a Content-Length is a number")
    for index in range(size):
        if not KIND[<unsigned char>data[index]] & DIGIT:
            raise HTTPError(400, "a Content-Length is a number")
        value = value * 10 + (data[index] - 48)
    return value


cdef enum:
    SIZE_FIRST, SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF
    NAME_FIRST, NAME_REST, VALUE_FIRST, VALUE_REST, QUOTED, QUOTED_PAIR, QUOTED_END
    TRAILER_START, TRAILER_NAME, TRAILER_VALUE, TRAILER_LF, LAST_LF


cdef int after_extension(int state, unsigned char code) noexcept:
    # name [ "=" ( token / quoted-string ) ], again after each ";"; -1 where it breaks the grammar.
    if state == NAME_FIRST:
        return NAME_REST if KIND[code] & TOKEN else -1
    if state == VALUE_FIRST:
        return QUOTED if code == 34 else VALUE_REST if KIND[code] & TOKEN else -1
    if state == QUOTED:
        return QUOTED_END if code == 34 else QUOTED_PAIR if code == 92 else (
            QUOTED if KIND[code] & VALUE else -1
        )
    if state == QUOTED_PAIR:
        return QUOTED if KIND[code] & VALUE else -1
    if code == 13:
        return SIZE_LF
    if code == 59:
        return NAME_FIRST
    if state == QUOTED_END:
        return -1
    if state == NAME_REST and code == 61:
        return VALUE_FIRST
    return state if KIND[code] & TOKEN else -1


cdef class ChunkedBody:
    # RFC 9112, section 7.1. Trailers are checked and dropped: they never become headers.

    def __cinit__(self, Py_ssize_t limit):
        self.limit = limit
        self.body = bytearray()
        self.state = SIZE_FIRST

    cdef Py_ssize_t feed(self, const char* data, Py_ssize_t size) except -1:
        # Returns how much it took: less than `size` only once the body is complete.
        cdef Py_ssize_t index = 0, length
        cdef unsigned char code
        while index < size and not self.is_complete:
            if self.state == DATA:
                length = min(size - index, self.remaining)
                self.body.extend(data[index : index + length])
                index += length
                self.remaining -= length
                if self.remaining == 0:
                    self.state = DATA_CR
                continue
            code = data[index]
            index += 1
            self.step(code)
        return index

    cdef int step(self, unsigned char code) except -1:
        if self.state == SIZE_FIRST or self.state == SIZE:
            if HEX[code] >= 0:
                self.line_size += 1
                if self.line_size > MAX_CHUNK_DIGITS:
                    raise HTTPError(400, "chunk size too long")
                self.remaining = self.remaining * 16 + HEX[code]
                self.state = SIZE
            elif self.state == SIZE_FIRST:
                raise HTTPError(400, "a chunk begins with its size")
            elif code == 59:
                self.state = NAME_FIRST
            elif code == 13:
                self.state = SIZE_LF
            else:
                raise HTTPError(400, "a chunk size is hexadecimal")
        elif NAME_FIRST <= self.state <= QUOTED_END:
            self.line_size += 1
            self.state = after_extension(self.state, code)
            if self.state < 0 or self.line_size > MAX_CHUNK_LINE:
                raise HTTPError(400, "bad chunk extension")
        elif self.state == SIZE_LF:
            self.expect(code, 10)
            self.line_size = 0
            self.pieces += 1
            if self.pieces > MAX_PIECES:
                raise HTTPError(413, "too many chunks")
            if len(self.body) + self.remaining > self.limit:
                raise HTTPError(413, "the body is too large")
            self.state = DATA if self.remaining else TRAILER_START
        elif self.state == DATA_CR:
            self.expect(code, 13)
            self.state = DATA_LF
        elif self.state == DATA_LF:
            self.expect(code, 10)
            self.state = SIZE_FIRST
        elif self.state == TRAILER_START:
            if code == 13:
                self.state = LAST_LF
            elif KIND[code] & TOKEN:
                self.state = TRAILER_NAME
            else:
                raise HTTPError(400, "bad trailer")
        elif self.state == TRAILER_NAME or self.state == TRAILER_VALUE:
            self.line_size += 1
            if self.line_size > MAX_TRAILERS:
                raise HTTPError(431, "trailers too large")
            if self.state == TRAILER_NAME:
                if code == 58:
                    self.state = TRAILER_VALUE
                elif not KIND[code] & TOKEN:
                    raise HTTPError(400, "bad trailer")
            elif code == 13:
                self.state = TRAILER_LF
            elif not KIND[code] & VALUE:
                raise HTTPError(400, "bad trailer")
        elif self.state == TRAILER_LF:
            self.expect(code, 10)
            self.state = TRAILER_START
        else:
            self.expect(code, 10)
            self.is_complete = True
        return 0

    cdef int expect(self, unsigned char code, unsigned char wanted) except -1:
        if code != wanted:
            raise HTTPError(400, "chunk framing broken")
        return 0
