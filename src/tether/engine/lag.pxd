# How late the loop is. Knows seconds only.

cdef enum:
    WEIGHT = 32  # of the samples so far against the new one, in the mean


cdef class Lag:
    cdef readonly double last, max, mean, total
    cdef readonly unsigned long long samples


cdef inline void note(Lag lag, double seconds) noexcept:
    # One sample; inline, for it is taken in every pass.
    lag.last = seconds
    lag.total += seconds
    lag.samples += 1
    if seconds > lag.max:
        lag.max = seconds
    lag.mean += (seconds - lag.mean) / <double>(lag.samples if lag.samples < WEIGHT else WEIGHT)
