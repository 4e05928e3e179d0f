# TLS of accepted connections: the handshake comes before anybody hears of them. Knows no listener.

from tether.stream.tls cimport Tls


cdef class Greeter(Reception):
    # Who hears how the handshakes went: of each once.

    cdef int greeted(self, Channel stream) except -1:
        # It is over, and plaintext flows.
        return 0

    cdef int not_greeted(self, Channel stream, object cause) except -1:
        # The stream entered closing before; no callback may run in here.
        return 0


cdef class AcceptedTls(Tls):
    # TLS with this side as the server, on a stream that nobody has yet.

    cdef int established(self) except -1:
        self.is_told = True
        return self.greeter.greeted(self.stream)

    cdef int closing(self) except -1:
        Tls.closing(self)
        if not self.is_told:
            self.is_told = True
            self.greeter.not_greeted(self.stream, self.stream.cause)
        return 0


cdef int greet(Greeter greeter, Channel stream, object context, double handshake_time,
               double shutdown_time) except -1:
    # The handshake begins; a time below 0 is none.
    cdef AcceptedTls layer = AcceptedTls.__new__(AcceptedTls)
    layer.greeter = greeter
    layer.begin(stream, context, True, None, handshake_time, shutdown_time)
    return 0
