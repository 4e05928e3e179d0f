"""asyncio's subprocess transport over a watched child. Knows processes, no pipe and no poller.

The generic half (three pipes, one protocol, who waits for the end) is the standard library's.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from asyncio import base_subprocess
from typing import TYPE_CHECKING, Any

from tether.aio.child import Child

if TYPE_CHECKING:
    from tether.aio.loop import Loop


class SubprocessTransport(base_subprocess.BaseSubprocessTransport):
    """What `loop.subprocess_exec` and `loop.subprocess_shell` give."""

    _child: Child | None = None

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> None:
        self._proc = subprocess.Popen(
            args, shell=shell, stdin=stdin, stdout=stdout, stderr=stderr, bufsize=bufsize, **kwargs
        )
        try:
            self._child = Child(self._loop, self._proc, self)
        except BaseException:
            with self._proc:  # closes its pipes and waits for it
                self._proc.kill()
            raise

    def send_signal(self, signal: int) -> None:
        """Send a signal; one to a process that has ended does nothing.

        Raises:
            ProcessLookupError: all is over, `connection_lost` included.
        """
        self._check_proc()
        assert self._child is not None
        self._child.send_signal(signal)

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM)."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process (SIGKILL)."""
        self.send_signal(signal.SIGKILL)


async def start_subprocess(loop: Loop, *args: Any, **kwargs: Any) -> asyncio.SubprocessTransport:
    """What `loop._make_subprocess_transport` does; the arguments are those of the transport.

    Cancelled while the pipes are being connected, it kills the process and waits for its end.
    """
    waiter = loop.create_future()
    kwargs["waiter"] = waiter
    transport = SubprocessTransport(loop, *args, **kwargs)
    try:
        await waiter
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:
        transport.close()
        await transport._wait()
        raise
    return transport
