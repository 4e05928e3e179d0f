# What Python sees of child processes (child.pyx). A test holds the two together.

import asyncio
import subprocess

from tether.engine.scope import Scope

SUPPORTED: bool

class Child(Scope):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        process: subprocess.Popen[bytes],
        transport: asyncio.SubprocessTransport,
    ) -> None: ...
    def send_signal(self, number: int) -> None: ...
    def describe(self) -> str: ...
