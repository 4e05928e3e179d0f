# The Date field of a reply (RFC 9110, section 6.6.1), made anew once a second.
# Knows the wall clock only.

import time
from email.utils import formatdate

cdef double until = 0
cdef bytes line = b""


cdef bytes current_date():
    global until, line
    now = time.time()
    if now >= until or now < until - 1:  # the wall clock may be set back
        until = <double><long long>now + 1
        line = b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
    return line
