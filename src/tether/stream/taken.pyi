# What Python sees of a send that was taken (taken.pyx). A test holds the two together.

from collections.abc import Awaitable, Generator
from types import TracebackType
from typing import Any, Literal

class Taken(Awaitable[None]):
    def __bool__(self) -> Literal[True]: ...
    def __await__(self) -> Generator[Any, Any]: ...
    # For asyncio.create_task. Typed as an awaitable all the same: nobody has to await it.
    def send(self, value: object) -> object: ...
    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> object: ...
    def close(self) -> None: ...
