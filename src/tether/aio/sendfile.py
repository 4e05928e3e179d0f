"""Files over asyncio's transports by sendfile(2): the bytes never enter the process.

Knows transports only; what cannot be sent so (TLS, pipes) asyncio sends by reading and writing.
"""

from __future__ import annotations

import asyncio
import os
from typing import IO, Any

from tether.aio.transport import SocketTransport

#: Bytes for one system call: what the kernel takes at most.
MOST = 0x7FFF_F000


async def send_file(
    transport: SocketTransport, file: IO[Any], offset: int, count: int | None
) -> int:
    """Send `count` bytes of `file` from `offset`, None for all there are; returns how many it were.

    Raises:
        asyncio.SendfileNotAvailableError: the system cannot send this file so.
        ConnectionError: the connection was lost meanwhile.
    """
    try:
        source = file.fileno()
        size = os.fstat(source).st_size
    except (AttributeError, OSError) as error:
        raise asyncio.SendfileNotAvailableError("not a regular file") from error
    wanted = size if count is None else count
    sent = 0
    try:
        await transport.emptied()
        while sent < wanted:
            try:
                taken = os.sendfile(
                    transport.fileno(), source, offset + sent, min(wanted - sent, MOST)
                )
            except BlockingIOError:
                await transport.next_room()
                continue
            except OSError as error:
                if sent == 0 and not transport.is_closing():
                    raise asyncio.SendfileNotAvailableError("os.sendfile call failed") from error
                raise
            if taken == 0:
                break  # the file ended early
            sent += taken
    finally:
        transport.release_writes()
        if sent:
            os.lseek(source, offset + sent, os.SEEK_SET)
    return sent
