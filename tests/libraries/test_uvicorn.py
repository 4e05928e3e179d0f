"""uvicorn, told to run on tether's loop as its users tell it: `--loop tether:Loop`."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

import tether
from tests.libraries.certificates import Certificates
from tests.libraries.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
BODY = bytes(range(256)) * 8000


@contextmanager
def uvicorn_command(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """uvicorn as a process of its own, and what it logged once it listens."""
    command = [sys.executable, "-m", "uvicorn", "tests.libraries.asgi_application:application"]
    source = str(Path(tether.__file__).parents[1])
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--loop", "tether:Loop", "--no-use-colors", *options],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{ROOT}"},
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "Uvicorn running" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        yield process, log.read_text()
    finally:
        process.kill()
        process.wait(PATIENCE)


async def talk(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(url, data=b"hello") as reply:
        scheme = url.partition(":")[0]
        assert reply.headers["loop"] == f"tether.aio.loop Loop {scheme}"
        assert await reply.read() == b"hello"
    ws_url = url.replace("http", "ws", 1)
    async with session.ws_connect(ws_url, max_msg_size=0) as ws:
        await ws.send_str("grüße")
        assert await ws.receive_str() == "grüße"
        await ws.send_bytes(BODY)
        assert await ws.receive_bytes() == BODY


@pytest.mark.parametrize("tls", [False, True])
def test_the_command(tmp_path: Path, certificates: Certificates, tls: bool) -> None:
    options = ["--port", "0"]
    if tls:
        options += ["--ssl-certfile", str(certificates.chain)]
        options += ["--ssl-keyfile", str(certificates.chain)]

    async def main(port: str) -> None:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=certificates.client)
        ) as session:
            await talk(session, f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}")

    with uvicorn_command(tmp_path, *options) as (process, log):
        found = re.search(r"https?://127\.0\.0\.1:(\d+)", log)
        assert found, log
        asyncio.run(main(found[1]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM
    ended = (tmp_path / "log").read_text()
    assert "the end" in ended
    assert "Application shutdown complete" in ended
    assert "Traceback" not in ended


def test_on_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
            await talk(session, "http://localhost")

    with uvicorn_command(tmp_path, "--uds", path):
        asyncio.run(main())
