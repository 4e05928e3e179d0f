# What Python sees of pairs (pair.pyx). A test holds the two together.

from tether.engine.scope import Scope
from tether.stream.listener import Listener
from tether.stream.stream import Stream

CAPACITY: int

def pair(
    *,
    owner: Scope | None = None,
    listener: Listener | None = None,
    capacity: int | None = ...,
    write_high: int | None = ...,
    write_low: int | None = ...,
    read_high: int | None = ...,
) -> tuple[Stream, Stream]: ...
