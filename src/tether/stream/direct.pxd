# A TLS session on OpenSSL itself. Knows the layout of Python's ssl objects, and checks it.

from tether.stream.session cimport Session


cdef struct Buffer:
    char* data
    size_t size, capacity


cdef struct Channel:
    # What OpenSSL reads from and writes to. It lives as long as the BIO that has it.
    const char* input
    size_t input_left
    char* held            # memory of our own for input that was not used at once
    bint is_borrowed      # the input lies in the memory of who fed it
    Buffer own            # what was produced outside of `seal`
    Buffer* output


cdef class DirectSession(Session):
    cdef void* ssl
    cdef Channel* channel


cdef DirectSession open_direct(object context, bint server_side, object server_hostname)
