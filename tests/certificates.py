"""Certificates and contexts that the tests make for themselves, and a TLS peer of the standard
library that can be driven byte by byte. Knows nothing of tether."""

from __future__ import annotations

import contextlib
import datetime
import functools
import socket
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

NAME = "server.test"


@functools.cache
def authority() -> trustme.CA:
    """Who signs; made once, since keys take their time."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@functools.cache
def issued(name: str, is_expired: bool = False) -> trustme.LeafCert:
    """A certificate for `name` with its key."""
    day = datetime.timedelta(days=1)
    past = datetime.datetime.now(datetime.UTC) - 2 * day
    return authority().issue_cert(
        name,
        key_type=trustme.KeyType.ECDSA,
        not_before=past if is_expired else None,
        not_after=past + day if is_expired else None,
    )


def server_context(name: str = NAME, *, is_expired: bool = False) -> ssl.SSLContext:
    """With a certificate for `name` that the authority signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued(name, is_expired).configure_cert(context)
    return context


def self_signed_context() -> ssl.SSLContext:
    """With a certificate that nobody but itself signed."""
    alone = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:
        file = Path(directory, "certificate.pem")
        file.write_bytes(alone.private_key_pem.bytes() + alone.cert_pem.bytes())
        context.load_cert_chain(file)
    return context


def client_context() -> ssl.SSLContext:
    """That trusts the authority, and nobody else."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


class Peer:
    """The other side of a stream under TLS: what it says goes to the socket when it is told to."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, name: str = "") -> None:
        self.connection = connection
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=not name, server_hostname=name or None
        )

    def says(self) -> bytes:
        """What it has to send."""
        return self.outgoing.read()

    def hears(self, data: bytes) -> None:
        """It received that."""
        self.incoming.write(data)

    def steps(self) -> bool:
        """One step of the handshake: whether it is over."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def shake_hands(self) -> None:
        """The whole handshake, with a socket that blocks."""
        while not self.steps():
            self.connection.sendall(self.says())
            data = self.connection.recv(65536)
            assert data, "end of file"
            self.hears(data)
        self.connection.sendall(self.says())

    def send(self, data: bytes) -> None:
        """Encrypt and send it all."""
        self.tls.write(data)
        self.connection.sendall(self.says())

    def receive(self, size: int) -> bytes:
        """So many bytes, or fewer where the stream says goodbye."""
        data = b""
        while len(data) < size:
            try:
                piece = self.tls.read(size - len(data))
            except ssl.SSLWantReadError:
                raw = self.connection.recv(65536)
                assert raw, "end of file without close_notify"
                self.hears(raw)
            else:
                if not piece:
                    return data
                data += piece
        return data

    def say_goodbye(self) -> None:
        """Send close_notify, without waiting for the other one."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.connection.sendall(self.says())
