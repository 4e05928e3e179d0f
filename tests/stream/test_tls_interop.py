"""OpenSSL's own command line on the other side: new keys, a second handshake, tickets."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

import tether
from tests.certificates import NAME, client_context, issued

pytestmark = [
    pytest.mark.usefixtures("way"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def talk_to_server(directory: Path, version: str, command: str) -> tuple[bytes, bytes]:
    """Start `s_server`, send it a line, let it do `command`, send another; what it received."""
    certificate = directory / "certificate.pem"
    leaf = issued(NAME)
    certificate.write_bytes(
        leaf.private_key_pem.bytes() + b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    )
    port = free_port()
    program = await asyncio.create_subprocess_exec(
        "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(certificate), version,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        said = b""
        while b"ACCEPT" not in said:
            said += await program.stdout.read(1000)
        stream = await tether.connect(f"127.0.0.1:{port}")
        await stream.start_tls(client_context(), server_hostname=NAME, shutdown_timeout=0.5)
        await stream.send(b"before\n")
        while b"before\n" not in said:
            said += await program.stdout.read(1000)
        program.stdin.write(command.encode() + b"\n")
        reading = asyncio.ensure_future(stream.readexactly(10))
        while not reading.done():
            # What comes in one piece with the command is thrown away by that program.
            program.stdin.write(b"an answer\n")
            await asyncio.wait({reading}, timeout=0.2)
        answer = await reading
        for number in range(5):
            await stream.send(f"after {number}\n".encode())
        while b"after 4\n" not in said:
            said += await asyncio.wait_for(program.stdout.read(1000), 10)
        stream.close()
        await stream.wait_closed()
        return said, answer
    finally:
        program.kill()
        await program.wait()
        program._transport.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("version", "command"),
    [
        pytest.param("-tls1_3", "k", id="new sending keys"),
        pytest.param("-tls1_3", "K", id="new keys both ways"),
        pytest.param("-tls1_2", "r", id="a second handshake"),
    ],
)
def test_what_comes_after_the_handshake(version: str, command: str, tmp_path: Path) -> None:
    said, answer = tether.run(talk_to_server(tmp_path, version, command))
    assert answer == b"an answer\n"
    for number in range(5):
        assert said.count(f"after {number}\n".encode()) == 1
