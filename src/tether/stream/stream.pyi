# What Python sees of streams (stream.pyx). A test holds the two together.

from collections.abc import Awaitable, Callable, Coroutine
from ssl import SSLContext, SSLObject
from typing import Any, TypeVar

from _typeshed import ReadableBuffer

from tether.errors import Attempt
from tether.stream.channel import Channel
from tether.stream.outcome import Outcome
from tether.stream.taken import Taken

_OnData = TypeVar("_OnData", bound=Callable[[bytes], object])
_Callback = TypeVar("_Callback", bound=Callable[[], object])

class Stream(Channel):
    @property
    def attempts(self) -> tuple[Attempt, ...]: ...
    def send(self, data: ReadableBuffer) -> Taken | Outcome: ...
    def read(self, limit: int = 65536) -> Coroutine[Any, Any, bytes]: ...
    def readexactly(self, size: int) -> Coroutine[Any, Any, bytes]: ...
    def on_data(self, callback: _OnData) -> _OnData: ...
    def on_eof(self, callback: _Callback) -> _Callback: ...
    def on_drain(self, callback: _Callback) -> _Callback: ...
    def pause(self) -> None: ...
    def resume_reading(self) -> None: ...
    def start_tls(
        self,
        context: SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        handshake_timeout: float | None = 10.0,
        shutdown_timeout: float = 5.0,
    ) -> Awaitable[SSLObject]: ...
