# How late the loop is. Knows seconds only.

cdef class Lag:
    """How late a loop is, in seconds: one sample for each pass, none while it sleeps.

    A sample is the time from one look for events to the next, which is the longest that whoever
    became ready meanwhile had to wait; or how late the first timer of the pass was, if that is more.
    A callback that holds the loop shows here, whatever it was waiting for.

    `last` is the latest sample, `max` the largest, `mean` the exponential average of about the last
    32, `total` the sum of all, and `samples` how many there were.
    """

    def clear(self):
        """Begin anew, all at 0."""
        self.last = self.max = self.mean = self.total = 0
        self.samples = 0

    def __repr__(self):
        return f"<Lag last {self.last:.6f} s, mean {self.mean:.6f} s, max {self.max:.6f} s>"
