# What Python sees of a send that was not taken (outcome.pyx). A test holds the two together.

from collections.abc import Awaitable, Generator
from typing import Any, Literal

class Outcome(Awaitable[None]):
    def __bool__(self) -> Literal[False]: ...
    def __await__(self) -> Generator[Any, Any]: ...
