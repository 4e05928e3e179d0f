# What Python sees of the times of a stream (timed.pyx). A test holds the two together.

from collections.abc import Callable
from typing import TypeVar

from tether.errors import NetworkError
from tether.stream.channel import Channel

_OnTimeout = TypeVar("_OnTimeout", bound=Callable[[NetworkError], object])

class Timed(Channel):
    def on_timeout(self, callback: _OnTimeout) -> _OnTimeout: ...
    def set_timeouts(
        self,
        *,
        read: float | None = ...,
        write: float | None = ...,
        idle: float | None = ...,
        total: float | None = ...,
    ) -> None: ...
