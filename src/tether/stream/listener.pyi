# What Python sees of listening (listener.pyx). A test holds the two together.

import socket
from collections.abc import Callable
from pathlib import Path

from tether.engine.scope import Scope
from tether.errors import NetworkError
from tether.stream.stream import Stream

class Listener(Scope):
    def __init__(
        self,
        listening: socket.socket,
        on_stream: Callable[[Stream], object] | None = None,
        *,
        owner: Scope | None = None,
        name: str = "listener",
        on_error: Callable[[NetworkError], object] | None = None,
    ) -> None: ...
    @property
    def address(self) -> str: ...
    @property
    def accepted_count(self) -> int: ...
    def start(self) -> None: ...
    def fileno(self) -> int: ...
    def describe(self) -> str: ...

def bind(address: str, *, backlog: int = 1024, reuse_port: bool = False) -> socket.socket: ...
def remove_stale(path: str | Path) -> None: ...
def listen(
    address: str,
    on_stream: Callable[[Stream], object],
    *,
    owner: Scope | None = None,
    backlog: int = 1024,
    reuse_port: bool = False,
    on_error: Callable[[NetworkError], object] | None = None,
) -> Listener: ...
