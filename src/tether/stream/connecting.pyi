# What Python sees of one attempt to connect (connecting.pyx). A test holds the two together.

from collections.abc import Coroutine
from typing import Any

from tether.engine.scope import Scope
from tether.errors import Attempt
from tether.stream.stream import Stream

class Connecting(Scope):
    def __init__(
        self, family: int, where: Any, *, owner: Scope | None = None, local: Any = None
    ) -> None: ...
    @property
    def failed_locally(self) -> bool: ...
    def done(self) -> Coroutine[Any, Any, int]: ...
    def hand_on(self, owner: Scope, peer: str, attempts: tuple[Attempt, ...] = ()) -> Stream: ...
