# A WebSocket session. Knows streams and frames, no HTTP beyond the request it began with.
#
# Frames are parsed where they were received; what stays is an incomplete header or an incomplete
# message. Closing: the scope enters closing at once (nothing is handed to the user any more), its
# tasks end, then the closing handshake, then the stream (RFC 6455, section 7).

import functools
import inspect

import msgspec

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport INFINITY
from libc.string cimport memcpy

from tether.engine.scope cimport CLOSED, CLOSING, OPEN, Scope
from tether.engine.waiter cimport wake_all
from tether.http.connection cimport upgrade
from tether.stream.limits cimport count, seconds
from tether.stream.outcome cimport not_taken
from tether.stream.taken cimport TAKEN
from tether.websocket.frames cimport (
    BINARY,
    CLOSE,
    CONTINUATION,
    LONGEST_HEADER,
    PING,
    PONG,
    TEXT,
    Frame,
    apply_mask,
    check_text,
    header_size,
    read_header,
    start_text,
    write_header,
)

from tether.errors import Closed, ConnectionClosed, ProtocolError, ReadTimeout, WriteTimeout
from tether.websocket.codes import (
    ABNORMAL,
    GOING_AWAY,
    INVALID_DATA,
    NO_CODE,
    NORMAL,
    PROTOCOL_ERROR,
    TOO_BIG,
    code_of,
    may_be_sent,
)

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    SILENCE = 48
    HANDSHAKE_DEADLINE = 49
    PARSE = 50
    BREAK = 51
    LONG = 2048           # from this size a payload is referred to, not copied
    QUEUE_LIMIT = 256     # messages that wait for `recv` before the reading stops


cdef class WebSocket(Consumer):
    """One WebSocket session: a scope that owns what its handler starts.

    Two forms. The comfortable one: `async for message in ws`, `await ws.recv()`. The fast one:
    `ws.on_message(callback)`. `send` works in both. Made by `tether.App.websocket` handlers.
    """

    def __init__(self, Request request, bytes head, *, protocol, message_limit, fragment_limit,
                 write_high, write_low, ping_interval, pong_timeout, close_timeout):
        self.request = request
        self.protocol = protocol
        self.peer = request.peer
        self.label = "websocket"
        self.is_session = True
        self.message_limit = count(message_limit, "message_limit")
        self.fragment_limit = count(fragment_limit, "fragment_limit")
        self.ping_interval = 0 if ping_interval is None else ping_interval
        self.pong_timeout = seconds(pong_timeout, "pong_timeout")
        self.close_timeout = seconds(close_timeout, "close_timeout")
        high = count(write_high, "write_high")
        self.latency_ = -1
        self.closed_by = ""
        self.service = request.connection.service
        upgrade(request, self, head)
        self.service.sessions += 1
        self.stream.write_high = high
        self.stream.write_low = min(high, count(write_low, "write_low"))
        if self.ping_interval > 0:
            self.ping_alarm = self.set_alarm(self.ping_interval, SILENCE)

    @property
    def buffered(self):
        """Bytes that wait to be sent."""
        return 0 if self.stream is None else self.stream.waiting_bytes()

    @property
    def write_high(self):
        """Bytes waiting from which `send` takes no more."""
        return self.stream.write_high

    @property
    def write_low(self):
        """Bytes waiting at which sending goes on."""
        return self.stream.write_low

    @property
    def latency(self):
        """Seconds the last ping took to come back, None before the first."""
        return None if self.latency_ < 0 else self.latency_

    def describe(self):
        """What `tree` says beside the name."""
        return self.peer

    def send(self, message):
        """Send `str` as text, bytes as binary; returns an outcome.

        True: taken. False: not taken, because the high mark is reached (awaiting the outcome waits
        for the low mark, then takes it) or because the session is not open (nothing goes on the
        wire; awaiting raises `Closed`).
        """
        self.guard()
        if self.state != OPEN or not self.stream.can_write():
            return not_taken(self.stream, self, message)
        if self.stream.waiting_bytes() >= self.stream.write_high:
            self.stream.wants_drain = True
            return not_taken(self.stream, self, message)
        self.write_message(message)
        return TAKEN

    def send_json(self, value):
        """Send `value` as JSON in a text message; as `send`."""
        return self.send(msgspec.json.encode(value).decode())

    def recv(self):
        """Awaitable: the next message, `str` for text and `bytes` for binary.

        Raises:
            RuntimeError: another task receives already, or `on_message` is set.
            NetworkError: the session ended with a failure; `Closed` after an orderly close.
        """
        return start_receiving(self, False)

    def __aiter__(self):
        return self

    def __anext__(self):
        return start_receiving(self, True)

    def on_message(self, callback):
        """Call `callback(message)` for every message: the fast form.

        While what waits to be sent is above the high mark, the session is not read, so
        `ws.on_message(ws.send)` loses nothing.
        """
        self.check()
        if inspect.iscoroutinefunction(callback):
            raise TypeError("on_message takes a plain function; use `async for` to await")
        if self.receiver is not None:
            raise RuntimeError("another task receives from this WebSocket already")
        self.message_callback = callback
        if self.messages is not None or self.buffer is not None:
            self.set_alarm(0, PARSE)
        return callback

    def on_drain(self, callback):
        """Call `callback()` when what waits to be sent has fallen to the low mark."""
        self.check()
        self.drain_callback = callback
        return callback

    def close(self, cause=None, *, code=None, reason=""):
        """Begin to close; returns at once. Allowed anywhere, any number of times.

        Args:
            cause: why, None for an orderly close. The first cause wins.
            code: the close code; by default what `codes.py` has for the cause.
            reason: text of at most 123 bytes for the peer.

        Raises:
            ValueError: the code may not be sent, or the reason is too long.
        """
        self.guard()
        if self.state != OPEN:
            return
        if code is not None and not may_be_sent(code):
            raise ValueError(f"close code {code} may not be sent")
        if len(reason.encode()) > 123:
            raise ValueError("a close reason has at most 123 bytes")
        if code is not None:
            self.out_code = code
        self.out_reason = reason
        self.closed_by = self.closed_by or "local"
        self.start_closing(cause)

    def run_handler(self, handler, arguments):
        """Give this session to its handler; an async one becomes its driver."""
        result = self.invoke(functools.partial(handler, **arguments) if arguments else handler, (self,))
        if self.owner is not None and inspect.iscoroutine(result):
            (<Scope>self.owner).start_driver(result, self)

    cdef int end(self, object cause) except -1:
        # Closed from above: the server stops.
        if self.state == OPEN and self.out_code == 0 and cause is None:
            self.out_code = GOING_AWAY
            self.out_reason = "the server stops"
            self.closed_by = "local"
        return self.start_closing(cause)

    cdef Py_ssize_t room(self) except -1:
        if self.state == OPEN and self.must_wait():
            return 0
        return self.stream.home.receive_size

    cdef bint must_wait(self) noexcept:
        # Whether the next message has to wait: for room to answer in, or for `recv`.
        if self.message_callback is not None:
            if self.stream.waiting_bytes() >= self.stream.write_high:
                self.stream.wants_drain = True
                return True
            return self.messages is not None  # what came before the callback comes first
        if self.messages is not None and (
            self.queued >= self.message_limit or self.messages.count >= QUEUE_LIMIT
        ):
            self.is_stalled = True
            return True
        return False

    cdef int feed(self, char* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t taken = 0
        if self.is_failed or self.close_received:
            return 0  # nothing that comes now has a meaning
        if self.buffer is not None:
            self.buffer.extend(data[:size])
            return self.parse_buffer()
        try:
            self.process(<unsigned char*>data, size, &taken)
        except (KeyboardInterrupt, SystemExit):
            # Leaves the loop, which may be run again: what came behind it is not lost.
            self.set_alarm(0, PARSE)
            raise
        finally:
            if taken < size and not self.is_failed and not self.close_received:
                self.buffer = bytearray(data[taken:size])
        if self.receiver is not None and self.messages is not None and self.messages.count:
            wake(self)
        return 0

    cdef int parse_buffer(self) except -1:
        cdef bytearray buffer = self.buffer
        cdef Py_ssize_t taken = 0
        if buffer is None or self.is_parsing:
            return 0
        try:
            self.process(
                <unsigned char*>PyByteArray_AS_STRING(buffer), PyByteArray_GET_SIZE(buffer), &taken
            )
        except (KeyboardInterrupt, SystemExit):
            self.set_alarm(0, PARSE)
            raise
        finally:
            if taken == PyByteArray_GET_SIZE(buffer) or self.is_failed or self.close_received:
                self.buffer = None
            elif taken:
                del buffer[:taken]
        if self.receiver is not None and self.messages is not None and self.messages.count:
            wake(self)
        return 0

    cdef int process(self, unsigned char* data, Py_ssize_t size, Py_ssize_t* taken) except -1:
        # Takes whole frames and pieces of data frames, until it must wait or the bytes run out.
        cdef Frame frame
        cdef Py_ssize_t position = 0, header, length
        self.is_parsing = True
        try:
            while position < size and not self.is_failed and not self.close_received:
                if self.frame_left:
                    length = min(size - position, <Py_ssize_t>self.frame_left)
                    position += length
                    self.take_payload(data + position - length, length)
                    continue
                if self.state == OPEN and self.must_wait():
                    break
                header = read_header(data + position, size - position, &frame)
                if header == 0:
                    break
                if header < 0 or not self.accepts(&frame):
                    if header < 0:
                        self.break_off(PROTOCOL_ERROR, "frame length not minimal")
                    break
                length = <Py_ssize_t>frame.length
                if frame.opcode >= CLOSE:
                    if size - position - header < length:
                        break
                    position += header
                    apply_mask(data + position, length, frame.mask, 0)
                    self.take_control(frame.opcode, data + position, length)
                    position += length
                    continue
                position += header
                if (
                    frame.is_final and frame.opcode != CONTINUATION
                    and size - position >= length
                ):
                    # The common case: a whole message, made right from the receive buffer.
                    if self.state == OPEN:
                        apply_mask(data + position, length, frame.mask, 0)
                        message = self.make_message(
                            frame.opcode, <char*>data + position, length
                        )
                        position += length
                        if message is None:
                            self.break_off(INVALID_DATA, "text is not UTF-8")
                            break
                        self.deliver(message)
                    else:
                        position += length
                    continue
                self.begin_frame(&frame)
        finally:
            self.is_parsing = False
            taken[0] = position
        return 0

    cdef bint accepts(self, Frame* frame) except -1:
        # RFC 6455, sections 5.1 to 5.5: whether this frame may come now.
        if frame.reserved:
            self.break_off(PROTOCOL_ERROR, "reserved bits are set")
        elif not frame.is_masked:
            self.break_off(PROTOCOL_ERROR, "a client's frame is masked")
        elif frame.opcode >= CLOSE:
            if frame.opcode > PONG:
                self.break_off(PROTOCOL_ERROR, "unknown opcode")
            elif not frame.is_final or frame.length > 125:
                self.break_off(PROTOCOL_ERROR, "a control frame is short and whole")
            else:
                return True
        elif frame.opcode > BINARY:
            self.break_off(PROTOCOL_ERROR, "unknown opcode")
        elif (frame.opcode == CONTINUATION) != (self.message_opcode != 0):
            self.break_off(PROTOCOL_ERROR, "continuation out of place")
        elif frame.length + <uint64_t>(
            0 if self.message is None else PyByteArray_GET_SIZE(self.message)
        ) > <uint64_t>self.message_limit:
            self.break_off(TOO_BIG, f"a message has at most {self.message_limit} bytes")
        elif self.fragments >= self.fragment_limit:
            self.break_off(TOO_BIG, f"a message has at most {self.fragment_limit} fragments")
        else:
            return True
        return False

    cdef int begin_frame(self, Frame* frame) except -1:
        # A frame whose payload is not all here, or one of several.
        if frame.opcode != CONTINUATION:
            self.message_opcode = frame.opcode
            start_text(&self.text)
            if frame.is_final:
                self.whole = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>frame.length)
            else:
                self.message = bytearray()
        self.fragments += 1
        self.frame_is_final = frame.is_final
        self.frame_left = frame.length
        self.frame_done = 0
        memcpy(self.mask, frame.mask, 4)
        if self.frame_left == 0 and self.frame_is_final:
            return self.end_message()
        return 0

    cdef int take_payload(self, unsigned char* data, Py_ssize_t size) except -1:
        # A piece of a frame, which is not unmasked yet.
        cdef Py_ssize_t have
        if self.state == OPEN:
            if self.whole is not None:
                memcpy(PyBytes_AS_STRING(self.whole) + self.frame_done, data, size)
            else:
                have = PyByteArray_GET_SIZE(self.message)
                PyByteArray_Resize(self.message, have + size)
                memcpy(PyByteArray_AS_STRING(self.message) + have, data, size)
        return self.took(size)

    cdef Py_ssize_t target(self, char** where) except -1:
        if self.whole is None or self.frame_left < LONG or self.state != OPEN or self.is_failed:
            return 0
        where[0] = PyBytes_AS_STRING(self.whole) + self.frame_done
        return self.frame_left

    cdef int filled(self, Py_ssize_t size) except -1:
        if self.whole is None:
            return 0
        self.took(size)
        if self.receiver is not None and self.messages is not None and self.messages.count:
            wake(self)
        return 0

    cdef int took(self, Py_ssize_t size) except -1:
        # The last `size` bytes of what came are new: unmask and judge them where they lie.
        cdef unsigned char* piece = NULL
        if self.whole is not None:
            piece = <unsigned char*>PyBytes_AS_STRING(self.whole) + self.frame_done
        elif self.message is not None:
            piece = <unsigned char*>PyByteArray_AS_STRING(self.message)
            piece += PyByteArray_GET_SIZE(self.message) - size
        if piece != NULL and self.state == OPEN:
            apply_mask(piece, size, self.mask, self.frame_done)
            if self.message_opcode == TEXT and not check_text(&self.text, piece, size):
                return self.break_off(INVALID_DATA, "text is not UTF-8")
        self.frame_done += size
        self.frame_left -= size
        if self.frame_left == 0 and self.frame_is_final:
            return self.end_message()
        return 0

    cdef int end_message(self) except -1:
        cdef object message = self.whole
        cdef unsigned char opcode = self.message_opcode
        if message is None and self.message is not None:
            message = bytes(self.message)
        self.whole = None
        self.message = None
        self.message_opcode = 0
        self.fragments = 0
        if self.state != OPEN:
            return 0
        if opcode == TEXT:
            if self.text.needed:
                return self.break_off(INVALID_DATA, "text is not UTF-8")
            message = message.decode()
        return self.deliver(message)

    cdef object make_message(self, unsigned char opcode, const char* data, Py_ssize_t size):
        # None where a text is not UTF-8.
        if opcode == BINARY:
            return PyBytes_FromStringAndSize(data, size)
        try:
            return PyUnicode_DecodeUTF8(data, size, NULL)
        except UnicodeDecodeError:
            return None

    cdef int deliver(self, object message) except -1:
        if self.message_callback is not None and self.messages is None:
            self.invoke_one(self.message_callback, message)
            return 0
        if self.messages is None:
            self.messages = Ready()
        self.messages.push(message)
        self.queued += len(message)
        return 0

    cdef object take_message(self):
        cdef object message = self.messages.pop()
        self.queued -= len(message)
        if self.messages.count == 0:
            self.queued = 0
            if self.messages.capacity > 64:
                self.messages = None  # a burst is over: its memory goes back
        if self.is_stalled and self.queued == 0:
            self.is_stalled = False
            if self.state == OPEN:
                self.set_alarm(0, PARSE)
        return message

    cdef int take_control(
        self, unsigned char opcode, unsigned char* data, Py_ssize_t size
    ) except -1:
        if opcode == CLOSE:
            return self.take_close(data, size)
        if opcode == PING:
            # One that does not read its pongs gets no more of them.
            if not self.close_sent and self.buffered < self.stream.write_high + 4096:
                self.write_frame(PONG, <char*>data, size)
        elif self.ping_sent > 0:
            self.latency_ = self.engine.clock() - self.ping_sent
            self.ping_sent = 0
        return 0

    cdef int take_close(self, unsigned char* data, Py_ssize_t size) except -1:
        cdef Utf8 text
        cdef object cause = None
        cdef int code = NO_CODE
        if size == 1:
            return self.break_off(PROTOCOL_ERROR, "a close code has two bytes")
        if size >= 2:
            code = (data[0] << 8) | data[1]
            start_text(&text)
            if not may_be_sent(code):
                return self.break_off(PROTOCOL_ERROR, f"close code {code} may not be sent")
            if not check_text(&text, data + 2, size - 2) or text.needed:
                return self.break_off(INVALID_DATA, "close reason is not UTF-8")
        self.close_received = True
        self.close_code = code
        self.close_reason = (<bytes>(<char*>data)[2:size]).decode() if size > 2 else ""
        if self.state == OPEN:
            self.closed_by = "peer"
            self.out_code = code
            if code not in (NORMAL, GOING_AWAY, NO_CODE):
                cause = ConnectionClosed(
                    f"the peer closed with {code} {self.close_reason}".rstrip(),
                    phase="message",
                    peer=self.peer,
                )
            self.start_closing(cause)
        if self.close_sent:
            self.stream.start_closing(self.cause)
        return 0

    cdef int break_off(self, int code, str reason) except -1:
        # The peer broke the protocol: it is told, and nothing more is read (section 7.1.7).
        if self.is_failed:
            return 0
        self.is_failed = True
        if self.state != OPEN:
            return 0
        self.break_code = code
        self.break_reason = reason
        if self.messages is not None and self.messages.count:
            # What came before it, by the rules, is received and answered first.
            self.set_alarm(min(self.close_timeout, 5.0), BREAK)
            return 0
        return self.carry_out_break()

    cdef int carry_out_break(self) except -1:
        if self.state != OPEN or self.break_code == 0:
            return 0
        self.out_code = self.break_code
        self.out_reason = self.break_reason
        self.closed_by = "local"
        return self.start_closing(
            ProtocolError(self.break_reason, phase="message", peer=self.peer)
        )

    cdef int eof(self) except -1:
        self.carry_out_break()
        if self.state == OPEN:
            self.closed_by = "peer"
            self.start_closing(
                ConnectionClosed(
                    "the peer left without a close frame", phase="message", peer=self.peer
                )
            )
        if self.is_finishing:
            self.stream.start_closing(self.cause)
        return 0

    cdef int lost(self, object cause) except -1:
        self.carry_out_break()
        if self.state == OPEN:
            self.closed_by = self.closed_by or "peer"
        return self.start_closing(cause)

    cdef int drained(self) except -1:
        if self.state == OPEN and self.drain_callback is not None:
            self.invoke(self.drain_callback, ())
        return self.go_on()

    cdef int take_rest(self, bytearray rest) except -1:
        self.buffer = rest
        self.set_alarm(0, PARSE)
        return 0

    cdef int send_again(self, object message) except -1:
        return self.write_message(message)

    cdef int write_message(self, object message) except -1:
        cdef const char* data
        cdef Py_ssize_t size
        if type(message) is bytes:
            size = PyBytes_GET_SIZE(message)
            if size < LONG:
                return self.write_frame(BINARY, PyBytes_AS_STRING(message), size)
            write_header(
                <unsigned char*>self.stream.reserve(header_size(size)), BINARY, size
            )
            return self.stream.write_bytes(message)
        if isinstance(message, str):
            data = PyUnicode_AsUTF8AndSize(message, &size)
            return self.write_frame(TEXT, data, size)
        return self.write_message(bytes(memoryview(message)))

    cdef int write_frame(self, unsigned char opcode, const char* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t header = header_size(size)
        cdef unsigned char* target
        if not self.stream.can_write():
            return 0
        target = <unsigned char*>self.stream.reserve(header + size)
        write_header(target, opcode, size)
        memcpy(target + header, data, size)
        return 0

    cdef int send_close(self) except -1:
        cdef bytes payload = b""
        if self.close_sent:
            return 0
        self.close_sent = True
        code = self.out_code or code_of(self.cause)
        if code != NO_CODE:
            payload = code.to_bytes(2, "big") + (self.out_reason or "").encode()[:123]
        return self.write_frame(CLOSE, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    cdef int on_closing(self) except -1:
        self.drop_alarm(self.ping_alarm)
        self.ping_alarm = None
        cdef list senders = None if self.stream is None else self.stream.senders
        self.closed_by = self.closed_by or "local"
        self.message_callback = None
        self.drain_callback = None
        self.message = None
        self.whole = None
        if self.closed_by != "peer":
            # What the peer sent before its own orderly close may still be received.
            self.messages = None
        if self.receiver is not None:
            wake(self)
        if senders is not None:
            self.stream.senders = None
            wake_all(senders)
        return 0

    cdef int on_finish(self) except -1:
        # The tasks have ended: now the closing handshake.
        if self.stream is None or self.stream.state == CLOSED:
            self.is_released = True
            return 0
        if not self.stream.can_write() or self.is_aborting:
            return self.stream.start_closing(self.cause)
        self.send_close()
        if self.close_received or self.stream.at_eof:
            return self.stream.start_closing(self.cause)
        if self.is_failed or self.is_silent:
            # Nobody there who could answer by the rules: it is told, and the line is cut.
            self.stream.lingers = self.is_failed
            return self.stream.start_closing(self.cause)
        if self.close_timeout != INFINITY:
            self.close_alarm = self.set_alarm(self.close_timeout, HANDSHAKE_DEADLINE)
        self.stream.resume()
        return 0

    cdef int on_alarm(self, int kind) except -1:
        if kind == SILENCE:
            return self.silence()
        if kind == HANDSHAKE_DEADLINE:
            return self.stream.start_abort(self.cause)
        if kind == PARSE:
            return self.go_on()
        if kind == BREAK:
            return self.carry_out_break()
        return Consumer.on_alarm(self, kind)

    cdef int go_on(self) except -1:
        # What waited for a consumer is handed on, and the reading goes on.
        if self.message_callback is not None and self.messages is not None:
            while self.state == OPEN and self.messages.count:
                if self.stream.waiting_bytes() >= self.stream.write_high:
                    self.stream.wants_drain = True
                    return 0
                self.invoke_one(self.message_callback, self.messages.pop())
            self.messages = None
            self.queued = 0
        if self.state == OPEN:
            self.parse_buffer()
            if not self.must_wait():
                self.stream.resume()
        return 0

    cdef int silence(self) except -1:
        # Nothing for `ping_interval`: a ping. Nothing after it for `pong_timeout`: gone.
        cdef double now, wait
        if self.state != OPEN:
            return 0
        now = self.engine.clock()
        if self.is_pinged and self.stream.heard < self.pinged_at and not self.must_wait():
            self.is_silent = True
            return self.start_closing(
                ReadTimeout("no sign of life after a ping", phase="message", peer=self.peer,
                            elapsed=now - self.stream.heard)
            )
        self.is_pinged = False
        if not self.must_wait():
            self.sent_at = 0
        wait = self.stream.heard + self.ping_interval - now
        if self.must_wait():
            # It is not read now, so its silence is ours; but it has to take what is sent.
            if self.sent_at == 0 or self.stream.sent != self.sent_seen or self.buffered == 0:
                self.sent_at = now
                self.sent_seen = self.stream.sent
            if now - self.sent_at >= self.ping_interval + self.pong_timeout:
                self.is_silent = True
                return self.start_closing(
                    WriteTimeout(phase="send", peer=self.peer, elapsed=now - self.sent_at)
                )
            wait = min(self.ping_interval, self.pong_timeout)
        elif wait <= 0:
            self.pinged_at = self.ping_sent = now
            self.write_frame(PING, b"", 0)
            self.is_pinged = self.pong_timeout != INFINITY
            wait = self.pong_timeout if self.is_pinged else self.ping_interval
        self.ping_alarm = self.set_alarm(wait, SILENCE)
        return 0

    cdef int on_closed(self) except -1:
        self.drop_alarm(self.close_alarm)
        self.close_alarm = None
        self.buffer = None
        self.service.sessions -= 1
        if self.close_code is None:
            self.close_code = ABNORMAL
            self.close_reason = ""
        return 0


cdef int wake(WebSocket ws) except -1:
    cdef Waiter waiter = ws.receiver
    ws.receiver = None
    return waiter.wake()


cdef class Receiving(Awaiting):
    # What `recv` and `__anext__` return.
    cdef WebSocket ws
    cdef bint iterates

    cdef bint ready(self) except -1:
        cdef WebSocket ws = self.ws
        if ws.messages is not None and ws.messages.count:
            return True
        if ws.break_code:
            ws.carry_out_break()
        if ws.state == OPEN:
            return False
        if self.iterates and ws.cause is None:
            raise StopAsyncIteration
        raise ws.ended_error(self.iterates or self.has_waited)

    cdef object take(self):
        return self.ws.take_message()

    cdef int wait(self, Waiter waiter) except -1:
        if self.ws.receiver is not None:
            raise RuntimeError("another task receives from this WebSocket already")
        self.ws.receiver = waiter
        return 0

    cdef int forget(self, Waiter waiter) except -1:
        if self.ws.receiver is waiter:
            self.ws.receiver = None
        return 0


cdef Receiving start_receiving(WebSocket ws, bint iterates):
    cdef Receiving receiving = Receiving.__new__(Receiving)
    ws.guard()
    if ws.message_callback is not None:
        raise RuntimeError("the messages of this WebSocket go to on_message")
    receiving.loop = ws.engine
    receiving.ws = ws
    receiving.iterates = iterates
    return receiving
