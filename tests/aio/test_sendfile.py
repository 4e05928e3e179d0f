"""Files leave through a transport in their place among what is written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.aio.recorder import Recorder, Run, connected, read_all, reset


def test_a_file_is_sent_between_what_is_written_before_and_after(run: Run, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    path = tmp_path / "file"
    path.write_bytes(content)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        protocol = Recorder()
        with await connected(protocol) as peer, path.open("rb") as file:
            reading = asyncio.create_task(read_all(peer))
            protocol.transport.write(b"before ")
            sent = await loop.sendfile(protocol.transport, file, 256, None)
            assert sent == len(content) - 256
            assert file.tell() == len(content)
            assert await loop.sendfile(protocol.transport, file, 0, 3) == 3
            protocol.transport.write(b" after")
            protocol.transport.close()
            assert await reading == b"before " + content[256:] + content[:3] + b" after"
            await protocol.lost

    run(main)


def test_a_connection_lost_while_a_file_is_sent_is_an_error(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(20_000_000))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        protocol = Recorder()
        peer = await connected(protocol)
        with path.open("rb") as file:
            sending = asyncio.create_task(loop.sendfile(protocol.transport, file))
            await loop.sock_recv(peer, 1000)
            reset(peer)
            with pytest.raises(ConnectionError):
                await sending
            await protocol.lost

    run(main)
