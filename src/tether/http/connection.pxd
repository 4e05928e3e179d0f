# A server's side of one HTTP/1.1 connection. Knows streams and the parser, no routes, no WebSocket.

from tether.engine.scope cimport Alarm, OwnedTask, Scope
from tether.http.parser cimport ChunkedBody, RequestHead
from tether.stream.listener cimport Acceptor, Listener
from tether.stream.channel cimport Channel, Consumer

cdef enum:
    IDLE = 0
    HEAD = 1
    BODY = 2
    RUNNING = 3
    ENDING = 4
    UPGRADED = 5


cdef class Service(Acceptor):
    cdef public object handler, convert
    cdef readonly double head_timeout, idle_timeout, body_grace, body_rate
    cdef readonly Py_ssize_t head_limit, line_limit, count_limit, body_limit, max_connections
    cdef readonly Py_ssize_t connections, sessions


cdef class Connection(Consumer):
    cdef Service service
    cdef unsigned char phase
    cdef bytearray buffer           # what is not parsed yet
    cdef Py_ssize_t scanned         # of the head in it
    cdef RequestHead head
    cdef ChunkedBody chunks
    cdef bytearray body
    cdef Request request
    cdef Alarm alarm
    cdef unsigned long long sent_seen
    cdef double deadline, alarm_at, body_began
    cdef Py_ssize_t body_received
    cdef bint is_parsing, has_ended, line_skipped, closes_after, is_counted, is_surplus
    cdef Consumer successor
    cdef int move(self, unsigned char phase) except -1
    cdef int advance(self) except -1
    cdef bint skip_line(self) except -1
    cdef int take_head(self) except -1
    cdef int take_body(self) except -1
    cdef int run_handler(self) except -1
    cdef int refuse(self, object error) except -1
    cdef int write_response(self, object response, bint head_only) except -1
    cdef int replied(self) except -1
    cdef int set_deadline(self, double wait) except -1
    cdef int end_connection(self) except -1
    cdef int hand_over(self) except -1


cdef class Request(Scope):
    cdef Connection connection
    cdef readonly str method, target
    cdef readonly object headers
    cdef readonly bytes body
    cdef readonly int minor
    cdef readonly str peer
    cdef object query_values, split_target
    cdef dict attributes
    cdef bint is_answered, has_upgrade
    cdef int answer(self, object response) except -1
    cdef int take_result(self, object result) except -1


cdef class Replying(OwnedTask):
    cdef Request request


cdef int upgrade(Request request, Consumer successor, bytes head) except -1
