"""A server's certificate is replaced while it serves; what does not fit is not taken."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

import tether
from tests.certificates import NAME, Peer, authority, client_context, issued
from tests.plain_sockets import open_socket
from tests.watch import Reports


class Files:
    """A certificate and its key on disk."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "server.pem"
        self.key = directory / "server.key"

    def hold(self, name: str, key_of: str = "") -> None:
        """Hold the certificate for `name`, with the key of another where that is asked for."""
        chain = issued(name).cert_chain_pems
        self.put(self.certificate, b"".join(pem.bytes() for pem in chain))
        self.put(self.key, issued(key_of or name).private_key_pem.bytes())

    def put(self, path: Path, data: bytes) -> None:
        """Replace a file as a whole, as those do who renew certificates."""
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.hold(NAME)
    return files


async def talk(address: str, name: str = NAME, context: ssl.SSLContext | None = None) -> Peer:
    """A client that was shown a certificate for `name`, and got an answer."""
    peer = Peer(open_socket(address), context or client_context(), name)
    try:
        await tether.to_thread(peer.shake_hands)
        await ask(peer)
    except BaseException:
        peer.connection.close()
        raise
    return peer


async def ask(peer: Peer) -> None:
    await tether.to_thread(peer.send, b"hello")
    assert await tether.to_thread(peer.receive, 5) == b"hello"


async def echo(stream: tether.Stream) -> None:
    while data := await stream.read():
        await stream.send(data)


def listen(certificates: tether.Certificates) -> tether.Listener:
    return tether.listen("127.0.0.1:0", echo, ssl=certificates, shutdown_timeout=0.1)


def test_new_handshakes_take_the_new_one_and_running_connections_go_on(
    files: Files, way: str
) -> None:
    async def main() -> None:
        certificates = tether.Certificates(files.certificate, files.key)
        async with listen(certificates) as listener:
            before = await talk(listener.address)
            files.hold("new.test")
            still = await talk(listener.address)  # nobody said so yet
            certificates.reload()
            assert certificates.reloads == 1
            after = await talk(listener.address, "new.test")
            with pytest.raises(ssl.SSLCertVerificationError):
                await talk(listener.address)
            await ask(before)
            await ask(after)
            for peer in (before, still, after):
                peer.connection.close()

    tether.run(main())


def test_a_handshake_that_runs_ends_with_the_certificate_it_began_with(files: Files) -> None:
    async def main() -> None:
        certificates = tether.Certificates(files.certificate, files.key)
        async with listen(certificates) as listener:
            peer = Peer(open_socket(listener.address), client_context(), NAME)
            while listener.open_count == 0:
                await asyncio.sleep(0)
            files.hold("new.test")
            certificates.reload()
            await tether.to_thread(peer.shake_hands)
            await ask(peer)
            peer.connection.close()

    tether.run(main())


@pytest.mark.parametrize("fault", ["missing", "garbage", "another key", "no key", "encrypted"])
def test_a_reload_that_fails_keeps_the_old_one_and_says_why(files: Files, fault: str) -> None:
    async def main() -> None:
        certificates = tether.Certificates(files.certificate, files.key)
        context = certificates.context
        async with listen(certificates) as listener:
            if fault == "missing":
                files.certificate.unlink()
            elif fault == "garbage":
                files.put(files.certificate, b"not a certificate")
            elif fault == "another key":
                files.hold(NAME, key_of="other.test")
            elif fault == "no key":
                files.put(files.key, b"")
            else:
                files.put(files.key, encrypted(b"secret"))
            with pytest.raises(tether.LocalError) as caught:
                certificates.reload()
            error = caught.value
            assert str(error).startswith(f"tls failed: certificate {files.certificate}: ")
            assert str(error).endswith("; the one in use stays")
            wanted = {
                "missing": f"no such file or directory: {files.certificate}",
                "garbage": "a file has no certificate",
                "another key": "the key is another certificate's",
                "no key": "a file has no certificate or no key",
                "encrypted": "the key is encrypted, and there is no password",
            }[fault]
            assert wanted in error.reason
            assert error.errno == (2 if fault == "missing" else None)
            assert error.__cause__ is not None
            assert certificates.context is context
            assert certificates.reloads == 0
            (await talk(listener.address)).connection.close()
            # And the next one that fits is taken.
            files.hold("new.test")
            certificates.reload()
            (await talk(listener.address, "new.test")).connection.close()

    tether.run(main())


def encrypted(password: bytes) -> bytes:
    key = serialization.load_pem_private_key(issued(NAME).private_key_pem.bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )


def test_a_key_with_a_password(files: Files) -> None:
    files.put(files.key, encrypted(b"secret"))
    tether.Certificates(files.certificate, files.key, password="secret")
    for wrong in ("", "wrong"):
        with pytest.raises(tether.LocalError, match=r"the password|no key"):
            tether.Certificates(files.certificate, files.key, password=wrong)
    with pytest.raises(tether.LocalError, match="encrypted, and there is no password"):
        tether.Certificates(files.certificate, files.key)


def test_one_file_may_hold_both(files: Files, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
    assert tether.Certificates(both).context.cert_store_stats() is not None


def test_clients_certificates_alpn_and_what_else_there_is(files: Files, tmp_path: Path) -> None:
    trusted = tmp_path / "authority.pem"
    trusted.write_bytes(authority().cert_pem.bytes())
    configured: list[ssl.SSLContext] = []

    async def main() -> None:
        certificates = tether.Certificates(
            str(files.certificate),
            str(files.key),
            client_authority=trusted,
            alpn=("http/1.1",),
            configure=configured.append,
        )
        async with listen(certificates) as listener:
            certificates.reload()
            assert configured[-1] is certificates.context
            assert len(configured) == 2
            known = client_context()
            known.set_alpn_protocols(["http/1.1"])
            issued("client.test").configure_cert(known)
            peer = await talk(listener.address, NAME, known)
            assert peer.tls.selected_alpn_protocol() == "http/1.1"
            peer.connection.close()
            with pytest.raises((ssl.SSLError, OSError)):
                await talk(listener.address)
            assert listener.failed_count == 1

    tether.run(main())


def test_a_watch_takes_what_changed_and_complains_once(
    files: Files, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tether")

    async def main() -> None:
        certificates = tether.Certificates(files.certificate, files.key)
        async with listen(certificates) as listener:
            timer = certificates.watch(listener, every=0.01)
            assert timer.active
            # The certificate comes first, and its key a moment later.
            files.put(files.certificate, issued("new.test").cert_chain_pems[0].bytes())
            while not reports.records:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)  # several looks, one complaint
            (await talk(listener.address)).connection.close()
            files.hold("new.test")
            while certificates.reloads == 0:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.03)
            assert certificates.reloads <= 2  # once for each file that changed, at most
            (await talk(listener.address, "new.test")).connection.close()
        assert not timer.active

    tether.run(main())
    [complaint] = reports.take()
    assert "another certificate's; the one in use stays" in complaint


def test_a_watch_belongs_to_the_loop_where_nobody_else_takes_it(files: Files) -> None:
    async def main() -> None:
        certificates = tether.Certificates(files.certificate, files.key)
        timer = certificates.watch(every=0.01)
        files.hold("new.test")
        while certificates.reloads == 0:
            await asyncio.sleep(0.005)
        timer.cancel()

    tether.run(main())


def test_it_can_be_reloaded_from_any_thread_at_any_time(files: Files, way: str) -> None:
    async def main() -> None:
        certificates = tether.Certificates(files.certificate, files.key)

        def reload_often() -> None:
            for _ in range(50):
                certificates.reload()

        async with listen(certificates) as listener:
            reloading = asyncio.ensure_future(tether.to_thread(reload_often))
            while not reloading.done():
                (await talk(listener.address)).connection.close()
            await reloading
        assert certificates.reloads == 50

    tether.run(main())
