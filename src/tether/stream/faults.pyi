# What Python sees of injected faults (faults.pyx). A test holds the two together.

from collections.abc import Callable
from typing import Literal

from tether.stream.channel import Channel

def inject(stream: Channel, decide: Callable[[Literal["read", "write"], int], int]) -> None: ...
