"""A connect under TLS: one call, and a failure says what the handshake broke on."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import tether
from tests.certificates import NAME, client_context, self_signed_context, server_context


@asynccontextmanager
async def tls_server(context: ssl.SSLContext, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """The address of an echo under TLS."""

    async def echo(stream: tether.Stream) -> None:
        try:
            await stream.start_tls(context, server_side=True)
            while data := await stream.read():
                await stream.send(data)
        except tether.NetworkError:
            pass  # the client's part is what is tested

    async with tether.listen(address, echo) as listener:
        yield listener.address


@asynccontextmanager
async def plain_server(says: bytes) -> AsyncIterator[str]:
    """The address of one who says that, whatever it is told, and nothing else."""
    async with tether.listen("127.0.0.1:0", lambda stream: stream.send(says)) as listener:
        yield listener.address


async def failure(
    kind: type[tether.NetworkError], address: str, context: ssl.SSLContext, **more: Any
) -> tether.NetworkError:
    """What a connect raises: this and nothing else, and it leaves nothing."""
    owner = tether.Scope(name="owner")
    with pytest.raises(kind) as caught:
        settings: dict[str, Any] = {"server_hostname": NAME, "owner": owner} | more
        await tether.connect(address, ssl=context, **settings)
    error = caught.value
    assert type(error) is kind
    assert (error.phase, error.peer, error.address) == ("tls", address, "127.0.0.1")
    assert error.elapsed is not None
    assert [(one.address, type(one.error)) for one in error.attempts] == [("127.0.0.1", kind)]
    assert str(error).startswith(f"tls to {address} (127.0.0.1) failed: ")
    owner.close()
    await asyncio.wait_for(owner.wait_closed(), 5)
    return error


def test_bytes_go_both_ways_and_the_name_was_checked() -> None:
    async def main() -> None:
        async with tls_server(server_context()) as address:
            stream = await tether.connect(address, ssl=client_context(), server_hostname=NAME)
            await stream.send(b"hello")
            assert await stream.readexactly(5) == b"hello"
            stream.close()
            await stream.wait_closed()
            assert stream.error is None

    tether.run(main())


def test_the_name_is_that_of_the_address() -> None:
    async def main() -> None:
        async with tls_server(server_context("localhost")) as address:
            port = address.rpartition(":")[2]
            for name in ("localhost", "LOCALHOST", "localhost."):
                stream = await tether.connect(f"{name}:{port}", ssl=client_context())
                stream.close()
            with pytest.raises(tether.CertificateError, match="not valid for"):
                await tether.connect(address, ssl=client_context())

    tether.run(main())


def test_over_a_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        async with tls_server(server_context(), f"unix:{tmp_path}/socket") as address:
            with pytest.raises(ValueError, match="server_hostname"):
                await tether.connect(address, ssl=client_context())
            stream = await tether.connect(address, ssl=client_context(), server_hostname=NAME)
            stream.close()

    tether.run(main())


def test_true_is_the_usual_context_that_trusts_nobody_here() -> None:
    async def main() -> None:
        async with tls_server(server_context()) as address:
            with pytest.raises(tether.CertificateError):
                await tether.connect(address, ssl=True, server_hostname=NAME)

    tether.run(main())


@pytest.mark.parametrize(
    ("context", "said"),
    [
        pytest.param(server_context("other.test"), "certificate is not valid for", id="wrong name"),
        pytest.param(server_context(is_expired=True), "certificate has expired", id="expired"),
        pytest.param(self_signed_context(), "certificate refused: self.signed", id="self-signed"),
    ],
)
def test_a_certificate_that_is_refused(context: ssl.SSLContext, said: str) -> None:
    async def main() -> None:
        async with tls_server(context) as address:
            error = await failure(tether.CertificateError, address, client_context())
            assert error.token == "tls_certificate_error"
            assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
            assert re.search(said, str(error))

    tether.run(main())


def test_a_peer_that_speaks_plaintext() -> None:
    async def main() -> None:
        async with plain_server(b"220 mail.test ready\r\n") as address:
            error = await failure(tether.TLSError, address, client_context())
            assert error.token == "tls_protocol_error"
            assert "the peer does not speak TLS" in str(error)

    tether.run(main())


def test_a_peer_that_sends_an_alert() -> None:
    async def main() -> None:
        async with plain_server(b"\x15\x03\x03\x00\x02\x02\x28") as address:  # handshake_failure
            error = await failure(tether.TLSAlert, address, client_context())
            assert error.token == "tls_alert_received"
            assert "handshake failure" in str(error)

    tether.run(main())


def test_a_peer_that_leaves() -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", lambda stream: stream.close()) as listener:
            error = await failure(tether.TLSError, listener.address, client_context())
            assert "closed by the peer in the handshake" in str(error)

    tether.run(main())


@pytest.mark.parametrize("which", ["timeout", "tls_timeout"])
def test_a_peer_that_is_silent(which: str) -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", lambda stream: None) as listener:
            began = time.monotonic()
            error = await failure(
                tether.ConnectTimeout, listener.address, client_context(), **{which: 0.1}
            )
            assert 0.1 <= time.monotonic() - began < 1.1
            assert error.token == "connection_timeout"
            assert error.elapsed is not None and error.elapsed >= 0.1

    tether.run(main())


def test_what_does_not_fit_together_is_refused_before_anything_is_done() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="server_hostname is for TLS"):
            await tether.connect("127.0.0.1:1", server_hostname=NAME)
        with pytest.raises(TypeError, match="SSLContext"):
            await tether.connect("127.0.0.1:1", ssl="yes")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="for servers"):
            await tether.connect("127.0.0.1:1", ssl=server_context())

    tether.run(main())
