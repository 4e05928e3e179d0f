# A server's side of one HTTP/1.1 connection. Knows streams and the parser, no routes, no WebSocket.
#
# One request is in flight; what comes behind it waits in the buffer, up to the read mark. The phases
# are the table in states.py. Another protocol takes the stream over by `upgrade`.

import asyncio
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from libc.math cimport INFINITY

from tether.engine.scope cimport OPEN
from tether.http.date cimport current_date
from tether.http.parser cimport find_head_end, parse_request_head
from tether.stream.limits cimport count, seconds

from tether.errors import Closed, ConnectionClosed
from tether.http.messages import Headers, HTTPError, Response
from tether.http.states import CONNECTION, STATES

cdef tuple PHASES = STATES
cdef bint MAY_FOLLOW[6][6]
for _row in range(6):
    for _column in range(6):
        MAY_FOLLOW[_row][_column] = STATES[_column] in CONNECTION[STATES[_row]]

cdef enum:
    DEADLINE = 32
    PARSE = 33
    STOP = 34
    REQUESTS_PER_TURN = 32
    SURPLUS = 64


cdef class Service(Acceptor):
    """What all connections of one server share: the handler and the limits.

    Args:
        handler: called with each `Request`; returns a `Response`, a coroutine, or None after an
            upgrade.
        convert: makes a `Response` of what a coroutine returned.
        head_timeout: seconds for a whole request head, however it drips (default 10).
        idle_timeout: seconds between two requests on one connection (default 60).
        body_rate: bytes a second below which a body is given up (default 256), counted after
            `body_grace` seconds (default 10).
        head_limit: bytes of a request head (default 32 KiB); `line_limit`: bytes of a target
            (8 KiB); `count_limit`: header fields (100); `body_limit`: bytes of a body (1 MiB).
        max_connections: connections at once, WebSocket sessions among them; the next one gets 503
            (default 10,000).

    None switches a limit off.
    """

    def __init__(
        self,
        handler,
        *,
        convert=None,
        head_timeout=10.0,
        idle_timeout=60.0,
        body_grace=10.0,
        body_rate=256.0,
        head_limit=32 * 1024,
        line_limit=8 * 1024,
        count_limit=100,
        body_limit=1024 * 1024,
        max_connections=10_000,
    ):
        self.handler = handler
        self.convert = convert
        self.head_timeout = seconds(head_timeout, "head_timeout")
        self.idle_timeout = seconds(idle_timeout, "idle_timeout")
        self.body_grace = seconds(body_grace, "body_grace")
        self.body_rate = 0 if body_rate is None else body_rate
        self.head_limit = count(head_limit, "head_limit")
        self.line_limit = count(line_limit, "line_limit")
        self.count_limit = count(count_limit, "count_limit")
        self.body_limit = count(body_limit, "body_limit")
        self.max_connections = count(max_connections, "max_connections")

    def attach_to(self, Listener listener):
        """Serve what `listener` accepts."""
        listener.acceptor = self

    cdef int accepted(self, Listener listener, Channel stream) except -1:
        cdef Connection connection = Connection.__new__(Connection)
        connection.service = self
        connection.label = "connection"
        listener.adopt(connection, False)
        connection.take_stream(stream)
        connection.is_session = True
        connection.is_counted = True
        self.connections += 1
        if self.connections + self.sessions > self.max_connections:
            # Refused once it has asked, since few clients understand an answer that comes before;
            # where even those who wait for it are many, at once.
            connection.is_surplus = True
            if self.connections + self.sessions > self.max_connections + SURPLUS:
                connection.phase = HEAD
                return connection.refuse(HTTPError(503, "too many connections"))
        return connection.set_deadline(self.head_timeout)


cdef inline Py_ssize_t waiting(bytearray buffer) noexcept:
    return 0 if buffer is None else PyByteArray_GET_SIZE(buffer)


cdef class Connection(Consumer):
    """One client's connection; `loop.tree()` shows it with its phase."""

    def describe(self):
        """What `tree` says beside the name."""
        return f"{PHASES[self.phase]} {self.stream.peer if self.stream is not None else ''}"

    cdef int move(self, unsigned char phase) except -1:
        if not MAY_FOLLOW[self.phase][phase]:
            raise RuntimeError(f"connection: {PHASES[phase]} cannot follow {PHASES[self.phase]}")
        self.phase = phase
        return 0

    cdef int set_deadline(self, double wait) except -1:
        # One alarm serves all deadlines: a later one only moves the mark.
        cdef double now = self.engine.clock()
        self.deadline = now + wait
        if self.deadline == INFINITY:
            return 0
        if self.alarm is not None and self.alarm.is_pending and self.alarm_at <= self.deadline:
            return 0
        self.drop_alarm(self.alarm)
        self.alarm_at = self.deadline
        self.alarm = self.set_alarm(wait, DEADLINE)
        return 0

    cdef Py_ssize_t room(self) except -1:
        if self.phase == BODY:
            return self.stream.read_high
        return max(self.service.head_limit, self.stream.read_high) - waiting(self.buffer)

    cdef int feed(self, char* data, Py_ssize_t size) except -1:
        if self.phase >= ENDING:
            return 0
        if self.buffer is None:
            self.buffer = bytearray()
        self.buffer.extend(data[:size])
        return self.advance()

    cdef int advance(self) except -1:
        # From phase to phase, as far as the bytes reach.
        cdef unsigned char phase
        cdef Py_ssize_t size
        cdef int turns = REQUESTS_PER_TURN
        if self.is_parsing:
            return 0
        self.is_parsing = True
        try:
            while self.state == OPEN and self.successor is None:
                phase = self.phase
                if phase == IDLE and not self.line_skipped and self.skip_line():
                    break
                size = waiting(self.buffer)
                if phase == IDLE and size:
                    if turns == 0:
                        self.set_alarm(0, PARSE)  # others have waited long enough
                        return 0
                    turns -= 1
                    if self.stream.waiting_bytes() >= self.stream.write_high:
                        self.stream.wants_drain = True  # the client sends but does not read
                        return 0
                    self.move(HEAD)
                    self.set_deadline(self.service.head_timeout)
                if self.phase == HEAD:
                    self.take_head()
                elif self.phase == BODY:
                    self.take_body()
                if self.phase == phase and waiting(self.buffer) == size:
                    break
        except HTTPError as error:
            self.refuse(error)
        finally:
            self.is_parsing = False
        if self.successor is not None:
            return self.hand_over()
        if self.has_ended and self.phase < RUNNING and self.state == OPEN:
            # The rest of a request will not come any more.
            self.phase = ENDING
            return self.start_closing(None)
        return 0

    cdef bint skip_line(self) except -1:
        # One empty line before a request is ignored (RFC 9112, section 2.2); true where half of
        # one has come, and the other half must be waited for.
        cdef Py_ssize_t size = waiting(self.buffer)
        if size == 1 and self.buffer[0] == 13:
            return True
        if size >= 2 and self.buffer[0] == 13 and self.buffer[1] == 10:
            del self.buffer[:2]
            self.line_skipped = True
        return False

    cdef int take_head(self) except -1:
        # Held: a finalizer that runs while the head is parsed may close the connection.
        cdef bytearray buffer = self.buffer
        cdef Py_ssize_t size = PyByteArray_GET_SIZE(buffer)
        cdef const char* data = PyByteArray_AS_STRING(buffer)
        cdef Py_ssize_t end = find_head_end(data, min(size, self.service.head_limit), self.scanned)
        cdef RequestHead head
        if end < 0:
            if size >= self.service.head_limit:
                raise HTTPError(431, "the request head is too large")
            self.scanned = size
            return 0
        self.scanned = 0
        self.line_skipped = False
        head = parse_request_head(data, end, self.service.line_limit, self.service.count_limit)
        if self.state != OPEN:
            return 0
        self.head = head
        if self.is_surplus:
            raise HTTPError(503, "too many connections")
        del buffer[:end]
        if head.length > self.service.body_limit:
            raise HTTPError(413, "the body is too large")
        if head.length <= 0 and not head.is_chunked:
            self.body = None
            return self.run_handler()
        if head.expects_continue and not self.buffer:
            self.stream.write_bytes(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.move(BODY)
        self.body_began = self.engine.clock()
        self.body_received = 0
        self.body = bytearray()
        self.chunks = ChunkedBody(self.service.body_limit) if head.is_chunked else None
        return self.set_deadline(self.service.body_grace)

    cdef int take_body(self) except -1:
        cdef bytearray buffer = self.buffer
        cdef Py_ssize_t size = PyByteArray_GET_SIZE(buffer), taken
        cdef const char* data = PyByteArray_AS_STRING(buffer)
        if self.chunks is not None:
            taken = self.chunks.feed(data, size)
            self.body_received += taken
            del buffer[:taken]
            if self.chunks is not None and self.chunks.is_complete:
                self.body = self.chunks.body
                self.chunks = None
                return self.run_handler()
            return 0
        taken = min(size, self.head.length - PyByteArray_GET_SIZE(self.body))
        self.body.extend(data[:taken])
        self.body_received += taken
        del buffer[:taken]
        if PyByteArray_GET_SIZE(self.body) == self.head.length:
            return self.run_handler()
        return 0

    cdef int run_handler(self) except -1:
        cdef Request request = Request.__new__(Request)
        cdef RequestHead head = self.head
        self.move(RUNNING)
        self.deadline = 0
        request.connection = self
        request.label = "request"
        request.is_session = True
        request.method = head.method
        request.target = head.target
        request.minor = head.minor
        request.headers = Headers(head.fields)
        request.has_upgrade = head.has_upgrade
        request.body = bytes(self.body) if self.body is not None else b""
        request.peer = self.stream.peer
        self.body = None
        self.request = request
        self.closes_after = not head.keeps_alive
        self.adopt(request, False)
        try:
            request.take_result(request.invoke_one(self.service.handler, request))
        except (KeyboardInterrupt, SystemExit) as error:
            request.start_closing(error)
            if self.successor is not None:
                self.set_alarm(0, PARSE)
            raise
        return 0

    cdef int refuse(self, object error) except -1:
        # The request cannot even be read: one answer, and the connection ends.
        if self.phase >= ENDING:
            return 0
        self.closes_after = True
        self.buffer = None
        self.write_response(error.response(), False)
        return self.end_connection()

    cdef int end_connection(self) except -1:
        # The peer may still be sending; it shall be able to read the answer all the same.
        self.move(ENDING)
        self.stream.lingers = True
        return self.start_closing(None)

    cdef int write_response(self, object response, bint head_only) except -1:
        cdef bytes body = response.body
        cdef int status = response.status
        head = response.head()
        parts = [head, current_date()]
        if status == 204 or status == 304:
            body = b""
        else:
            parts.append(b"content-length: %d\r\n" % len(body))
        if self.closes_after:
            parts.append(b"connection: close\r\n")
        elif self.head is not None and self.head.minor == 0:
            parts.append(b"connection: keep-alive\r\n")
        parts.append(b"\r\n")
        self.stream.write_bytes(b"".join(parts))
        if body and not head_only:
            self.stream.write_bytes(body)
        return 0

    cdef int replied(self) except -1:
        # The running request was answered.
        self.request = None
        if self.state != OPEN:
            if self.phase == RUNNING:
                self.phase = ENDING
            return 0
        if self.closes_after or (self.has_ended and not waiting(self.buffer)):
            return self.end_connection()
        self.move(IDLE)
        self.set_deadline(self.service.idle_timeout)
        if self.buffer and not self.is_parsing:
            # From the top of the dispatch, not from below whoever answered.
            self.set_alarm(0, PARSE)
        return self.stream.resume()

    cdef int drained(self) except -1:
        return self.advance()

    cdef int end(self, object cause) except -1:
        # The server stops: a running request may finish, an idle connection closes at once.
        if self.phase != RUNNING or cause is not None or self.state != OPEN:
            return self.start_closing(cause)
        self.closes_after = True
        if self.linger_time >= 0:
            self.drop_alarm(self.alarm)
            self.alarm = self.set_alarm(self.linger_time, STOP)
        return 0

    cdef int eof(self) except -1:
        self.has_ended = True
        if self.phase == RUNNING and self.request is not None:
            self.closes_after = True
            self.request.start_closing(
                ConnectionClosed("the client left", phase="message", peer=self.request.peer)
            )
            return self.start_closing(self.request.cause)
        if self.phase == IDLE and waiting(self.buffer):
            self.set_alarm(0, PARSE)  # whole requests may still be there
        elif self.phase < ENDING:
            self.phase = ENDING
            self.start_closing(None)
        return 0

    cdef int hung_up(self) except -1:
        # Noticed although the buffer is full: its handler shall know at once.
        return self.eof() if self.phase == RUNNING and not self.has_ended else 0

    cdef int on_alarm(self, int kind) except -1:
        cdef double now
        if kind == PARSE:
            return self.advance() if self.state == OPEN else 0
        if kind == STOP:
            return self.start_closing(None)
        if kind != DEADLINE:
            return Consumer.on_alarm(self, kind)
        if self.state != OPEN or self.deadline == 0:
            return 0
        now = self.engine.clock()
        if now < self.deadline:
            return self.set_deadline(self.deadline - now)
        if self.phase == IDLE:
            if self.stream.waiting_bytes() and self.stream.sent != self.sent_seen:
                # Not idle: the last reply is still on its way.
                self.sent_seen = self.stream.sent
                return self.set_deadline(self.service.idle_timeout)
            self.phase = ENDING
            return self.start_closing(None)
        elif self.phase == HEAD:
            return self.refuse(HTTPError(408, "the request head did not come in time"))
        elif self.phase == BODY:
            if self.body_received < (now - self.body_began) * self.service.body_rate:
                return self.refuse(HTTPError(408, "the body comes too slowly"))
            return self.set_deadline(1.0)
        return 0

    cdef int on_closing(self) except -1:
        self.drop_alarm(self.alarm)
        self.alarm = None
        self.buffer = None
        if self.is_counted:
            self.is_counted = False
            self.service.connections -= 1
        return 0

    cdef int hand_over(self) except -1:
        # Another protocol goes on with the stream and with what was read but not parsed.
        cdef Consumer successor = self.successor
        cdef bytearray rest = self.buffer
        self.buffer = None
        self.stream = None
        self.start_closing(None)
        if rest:
            successor.feed(PyByteArray_AS_STRING(rest), PyByteArray_GET_SIZE(rest))
        return 0


cdef class Request(Scope):
    """One request: a scope that ends when it is answered, or when its client left."""

    def __init__(self):
        raise TypeError("requests come from a server")

    @property
    def path(self):
        """The target's path, percent-decoded."""
        return unquote(self.split().path)

    @property
    def raw_path(self):
        """The target's path as it was sent, percent-encoded."""
        return self.split().path

    @property
    def query(self):
        """The target's query as a dict; of a name that comes twice the last value."""
        if self.query_values is None:
            self.query_values = dict(parse_qsl(self.split().query, keep_blank_values=True))
        return self.query_values

    @property
    def local(self):
        """Whether the peer is this machine: a loopback address or a Unix socket."""
        return self.peer.startswith(("127.", "[::1]", "[::ffff:127.", "unix:"))

    @property
    def state_of(self):
        """A dict for what earlier hooks want to tell later ones."""
        if self.attributes is None:
            self.attributes = {}
        return self.attributes

    @property
    def upgrade(self):
        """The protocol the client wants to upgrade to, in lower case, or ""."""
        return self.headers.get("upgrade", "").lower() if self.has_upgrade else ""

    def split(self):
        """The target in its parts."""
        if self.split_target is None:
            target = self.target
            if target.startswith("/"):
                path, _, query = target.partition("?")
                self.split_target = Parts(path, query)
            else:
                try:
                    parts = urlsplit(target)
                except ValueError:
                    raise HTTPError(400, "the target cannot be read") from None
                self.split_target = Parts(parts.path or "/", parts.query)
        return self.split_target

    def json(self):
        """The body as JSON.

        Raises:
            HTTPError: 400, it is not JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise HTTPError(400, f"not JSON: {error}") from None

    def describe(self):
        """What `tree` says beside the name."""
        return f"{self.method} {self.target}"

    cdef int take_result(self, object result) except -1:
        cdef Replying replying
        if self.state != OPEN or self.is_answered:
            return 0
        if self.connection.successor is not None:
            self.is_answered = True
            return self.start_closing(None)
        if asyncio.iscoroutine(result):
            replying = Replying.__new__(Replying)
            replying.request = self
            replying.task = self.engine.create_task(result, context=self.own_context())
            replying.is_waited = True
            self.attach(replying)
            replying.task.add_done_callback(replying)
            return 0
        return self.answer(result)

    cdef int answer(self, object response) except -1:
        cdef Connection connection = self.connection
        if self.is_answered or connection is None or connection.stream is None:
            return 0
        if connection.phase != RUNNING:
            return 0
        self.is_answered = True
        try:
            if not isinstance(response, Response):
                raise TypeError(f"a handler returns a Response, not {type(response).__name__}")
            connection.write_response(response, self.method == "HEAD")
        except Exception as error:
            self.report("Exception in a response", error)
            connection.closes_after = True
            connection.write_response(HTTPError(500).response(), self.method == "HEAD")
        self.start_closing(None)
        return connection.replied()

    cdef int on_closing(self) except -1:
        # Closed before it was answered, by a failure (which was logged) or by its own handler:
        # the client gets an answer all the same.
        if not self.is_answered and self.connection.state == OPEN:
            if not self.connection.has_ended:
                self.answer(HTTPError(500).response())
        return 0

    cdef int on_closed(self) except -1:
        self.connection = None
        return 0


cdef class Replying(OwnedTask):
    # The task of an async handler.

    def __call__(self, task):
        cdef Request request = self.request
        self.request = None
        if self.owner is None:
            return
        self.leave()
        if task.cancelled():
            request.start_closing(asyncio.CancelledError())
        elif isinstance(task.exception(), HTTPError):
            request.answer(converted(request, task.exception()))
        elif task.exception() is not None:
            request.contain(task.exception())
        elif request.connection is not None and request.connection.successor is None:
            request.answer(converted(request, task.result()))
        else:
            request.start_closing(None)


cdef object converted(Request request, object result):
    # What is no response, and cannot be made one, is judged by `answer`.
    cdef object convert = None
    if request.connection is not None:
        convert = request.connection.service.convert
    try:
        if isinstance(result, HTTPError):
            return result.response()
        return result if isinstance(result, Response) or convert is None else convert(result)
    except Exception as error:
        request.report("Exception in a response", error)
        return HTTPError(500).response()


cdef class Parts:
    # A target's path and query.
    cdef readonly str path, query

    def __cinit__(self, path, query):
        self.path = path
        self.query = query


cdef int upgrade(Request request, Consumer successor, bytes head) except -1:
    # Answers `head`, and gives the connection's stream to `successor`, which its owner adopts.
    cdef Connection connection = request.connection
    cdef Scope owner
    if connection is None or connection.phase != RUNNING or request.is_answered:
        raise Closed("the request was answered already")
    owner = <Scope>connection.owner
    if owner is None or owner.state != OPEN:
        raise HTTPError(503, "the server stops")
    connection.stream.write_bytes(head)
    connection.move(UPGRADED)
    owner.adopt(successor, False)
    successor.take_stream(connection.stream)
    connection.successor = successor
    request.is_answered = True
    if not connection.is_parsing:
        # Nothing may overtake what was read already.
        if connection.buffer:
            successor.take_rest(connection.buffer)
        connection.buffer = None
        connection.set_alarm(0, PARSE)
    return 0
