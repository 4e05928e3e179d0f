# A WebSocket session. Knows streams and frames, no HTTP.

from libc.stdint cimport uint64_t

from tether.engine.scope cimport Alarm
from tether.engine.waiter cimport Awaiting, Waiter
from tether.engine.work cimport Ready
from tether.http.connection cimport Request, Service
from tether.stream.channel cimport Consumer
from tether.websocket.frames cimport Frame, Utf8


cdef class WebSocket(Consumer):
    cdef readonly object request, protocol
    cdef readonly str peer
    cdef Service service
    cdef object message_callback, drain_callback
    cdef bytearray buffer            # a frame header that is not complete, or what must wait
    cdef bytearray message           # the fragments of a message that is not complete
    cdef bytes whole                 # a message in one frame that is not complete: its memory
    cdef Ready messages              # for `recv`: what came and was not taken
    cdef Waiter receiver
    cdef Alarm ping_alarm, close_alarm
    cdef uint64_t frame_left         # of the frame whose payload is coming
    cdef uint64_t frame_done
    cdef Py_ssize_t message_limit, fragment_limit, fragments, queued
    cdef double ping_interval, pong_timeout, close_timeout, ping_sent, pinged_at, latency_
    cdef Utf8 text
    cdef unsigned char mask[4]
    cdef unsigned char message_opcode
    cdef bint frame_is_final, is_parsing, is_pinged, is_silent, is_stalled
    cdef bint close_sent, close_received, is_failed
    cdef int out_code, break_code    # break_code: why it will be broken off, once `recv` got the rest
    cdef object out_reason, break_reason
    cdef unsigned long long sent_seen
    cdef double sent_at
    cdef readonly object close_code, close_reason, closed_by
    cdef int process(self, unsigned char* data, Py_ssize_t size, Py_ssize_t* taken) except -1
    cdef int take_payload(self, unsigned char* data, Py_ssize_t size) except -1
    cdef int take_control(self, unsigned char opcode, unsigned char* data, Py_ssize_t size) except -1
    cdef int take_close(self, unsigned char* data, Py_ssize_t size) except -1
    cdef int deliver(self, object message) except -1
    cdef bint must_wait(self) noexcept
    cdef int parse_buffer(self) except -1
    cdef object make_message(self, unsigned char opcode, const char* data, Py_ssize_t size)
    cdef int write_frame(self, unsigned char opcode, const char* data, Py_ssize_t size) except -1
    cdef int write_message(self, object message) except -1
    cdef int break_off(self, int code, str reason) except -1
    cdef int carry_out_break(self) except -1
    cdef int send_close(self) except -1
    cdef object take_message(self)
    cdef bint accepts(self, Frame* frame) except -1
    cdef int begin_frame(self, Frame* frame) except -1
    cdef int end_message(self) except -1
    cdef int took(self, Py_ssize_t size) except -1
    cdef int go_on(self) except -1
    cdef int silence(self) except -1
