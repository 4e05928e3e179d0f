# What Python sees of listening (listener.pyx). A test holds the two together.

from collections.abc import Callable, Sequence
from ssl import SSLContext

from tether.engine.scope import Scope
from tether.errors import NetworkError
from tether.stream.binding import Bound
from tether.stream.certificates import Certificates
from tether.stream.stream import Stream

class Listener(Scope):
    def __init__(
        self,
        sockets: Sequence[Bound],
        on_stream: Callable[[Stream], object] | None = None,
        *,
        owner: Scope | None = None,
        name: str = "listener",
        on_error: Callable[[NetworkError], object] | None = None,
        linger: float | None = ...,
        write_high: int | None = ...,
        write_low: int | None = ...,
        read_high: int | None = ...,
        max_connections: int | None = None,
        max_per_address: int | None = None,
        ssl: SSLContext | Certificates | None = None,
        handshake_timeout: float | None = 10.0,
        shutdown_timeout: float | None = 5.0,
    ) -> None: ...
    @property
    def address(self) -> str: ...
    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def open_count(self) -> int: ...
    @property
    def accepted_count(self) -> int: ...
    @property
    def refused_count(self) -> int: ...
    @property
    def failed_count(self) -> int: ...
    @property
    def paused(self) -> bool: ...
    def start(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def fileno(self) -> int: ...
    def describe(self) -> str: ...
