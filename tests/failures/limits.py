"""Takes something from this process for a while: its descriptors, or its right to go anywhere.

Knows limits and capabilities of Linux, nothing of tether.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_descriptors() -> Iterator[None]:
    """The next socket cannot be had (EMFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Set(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextmanager
def no_override() -> Iterator[None]:
    """The superuser may not go where the rights of a file forbid it: capset(2), for this thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, had = _Header(0x20080522, 0), (_Set * 2)()
    if libc.capget(ctypes.byref(header), had) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    fewer = (_Set * 2)(*had)
    fewer[0].effective &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    if libc.capset(ctypes.byref(header), fewer) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        libc.capset(ctypes.byref(header), had)
