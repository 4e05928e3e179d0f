"""What lives here: the benchmarks of the loop: tether's beside asyncio's, uvloop's and others."""
