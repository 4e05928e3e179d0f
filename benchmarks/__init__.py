"""What lives here: the benchmarks, run with ``python -m benchmarks`` (``make bench``).

Nothing in here is imported by tether, and nothing but the servers imports tether.
"""
