"""tether's own objects raise when another thread uses them, always."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import tether

USES: dict[str, Callable[[tether.Scope, tether.Timer, tether.Stream, tether.Listener], object]] = {
    "Scope": lambda scope, timer, stream, listener: tether.Scope(scope),
    "every": lambda scope, timer, stream, listener: scope.every(1, print),
    "after": lambda scope, timer, stream, listener: scope.after(1, print),
    "spawn": lambda scope, timer, stream, listener: scope.spawn(asyncio.sleep(0)),
    "own": lambda scope, timer, stream, listener: scope.own(stream),
    "on_close": lambda scope, timer, stream, listener: scope.on_close(print),
    "close": lambda scope, timer, stream, listener: scope.close(),
    "abort": lambda scope, timer, stream, listener: scope.abort(),
    "wait_closed": lambda scope, timer, stream, listener: scope.wait_closed(),
    "tree": lambda scope, timer, stream, listener: scope.tree(),
    "Timer.cancel": lambda scope, timer, stream, listener: timer.cancel(),
    "send": lambda scope, timer, stream, listener: stream.send(b"x"),
    "read": lambda scope, timer, stream, listener: stream.read(),
    "readexactly": lambda scope, timer, stream, listener: stream.readexactly(1),
    "on_data": lambda scope, timer, stream, listener: stream.on_data(print),
    "on_eof": lambda scope, timer, stream, listener: stream.on_eof(print),
    "on_drain": lambda scope, timer, stream, listener: stream.on_drain(print),
    "pause": lambda scope, timer, stream, listener: stream.pause(),
    "resume_reading": lambda scope, timer, stream, listener: stream.resume_reading(),
    "Stream.close": lambda scope, timer, stream, listener: stream.close(),
    "Listener.start": lambda scope, timer, stream, listener: listener.start(),
    "Listener.close": lambda scope, timer, stream, listener: listener.close(),
}


@pytest.mark.parametrize("use", USES)
def test_use_from_a_foreign_thread_raises(use: str) -> None:
    async def main() -> None:
        scope = tether.Scope()
        timer = scope.after(3600, print)
        async with tether.listen("127.0.0.1:0", lambda stream: None) as listener:
            stream = await tether.connect(listener.address)
            with pytest.raises(RuntimeError, match="foreign thread"):
                await tether.to_thread(USES[use], scope, timer, stream, listener)
            assert timer.active
            for one in (scope, stream, listener):
                assert one.state == "open"
            stream.close()
            await stream.wait_closed()

    tether.run(main())
