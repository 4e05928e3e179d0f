"""The command line: `tether serve` and its neighbours.

It must not know drivers or the wire; it reads arguments, builds what runs, and says what failed.
"""
