"""Every failure tether can report, and its RFC 9209 name.

The ground floor: this file knows no loop, no socket and no room above it. A failure is recorded
once; each one who waits gets an exception of that class of his own (`NetworkError.again`).
"""

from __future__ import annotations

import errno as numbers
import os
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Self

PHASES = (
    "resolve",
    "connect",
    "listen",
    "accept",
    "tls",
    "tunnel",
    "send",
    "head",
    "body",
    "upgrade",
    "message",
)

#: Those in which `peer` is an address of this machine.
_HERE = ("listen", "accept")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One address, one retry or one name server: what it said and how long it took (seconds)."""

    address: str
    error: BaseException | None
    elapsed: float


class NetworkError(Exception):
    """A failure of the network, with its cause.

    Args:
        reason: what happened, in a few words ("connection refused").
        phase: one of `PHASES`, the step that failed.
        errno: the operating system's number, or None where it had none to give.
        peer: who was meant, as the user wrote it (`"backend:8080"`).
        address: the address that was tried (`"127.0.0.1"`), where one was known.
        elapsed: seconds from the start of the operation to the failure, None where not measured.
        attempts: one `Attempt` per address and retry, oldest first.
        token: the RFC 9209 name, where it is not the one of the class.

    >>> print(ConnectionRefused(phase="connect", errno=111, peer="backend:8080",
    ...                         address="127.0.0.1", elapsed=0.0004))
    connect to backend:8080 (127.0.0.1) failed: connection refused after 0.4 ms
    """

    token = "proxy_internal_error"
    reason_by_default = "network failure"
    #: What a class has beside the fields of all.
    own_fields: tuple[str, ...] = ()

    errno: int | None

    def __init__(
        self,
        reason: str = "",
        *,
        phase: str = "connect",
        errno: int | None = None,
        peer: str = "",
        address: str = "",
        elapsed: float | None = None,
        attempts: tuple[Attempt, ...] = (),
        token: str = "",
    ) -> None:
        super().__init__(reason or self.reason_by_default)
        if token and token != self.token:
            self.token = token
        self.reason = reason or self.reason_by_default
        self.phase = phase
        self.errno = errno
        self.peer = peer
        self.address = address
        self.elapsed = elapsed
        self.attempts = attempts

    def again(self) -> Self:
        """A fresh exception of the same class with the same fields, for another one who waits."""
        other = type(self)(
            self.reason,
            phase=self.phase,
            errno=self.errno,
            peer=self.peer,
            address=self.address,
            elapsed=self.elapsed,
            attempts=self.attempts,
            token=self.token,
        )
        for name in self.own_fields:
            setattr(other, name, getattr(self, name))
        other.__cause__ = self.__cause__
        return other

    def seen_from(
        self, *, peer: str, address: str, elapsed: float, attempts: tuple[Attempt, ...]
    ) -> Self:
        """A copy for who began the operation: whom he meant, since when, and what else was tried.

        Args:
            peer: who was meant; `address`: who was tried, or "" to leave it as it is.
            elapsed: seconds from the start of the operation; `attempts`: all of them.
        """
        other = self.again()
        other.peer, other.elapsed, other.attempts = peer, elapsed, attempts
        other.address = address or self.address
        return other

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.reason,), self.__dict__ | {"errno": self.errno})

    def __str__(self) -> str:
        text = self.phase
        if self.peer:
            text += f" {'on' if self.phase in _HERE else 'to'} {self.peer}"
        if self.address and self.address != self.peer:
            text += f" ({self.address})"
        text += f" failed: {self.reason}"
        if self.elapsed is not None:
            text += f" after {duration(self.elapsed)}"
        if len(self.attempts) > 1:
            text += f", attempt {len(self.attempts)} of {len(self.attempts)}"
        return text


class ConnectError(NetworkError, OSError):
    """A connection could not be made; the subclasses say why."""

    token = "connection_refused"
    reason_by_default = "cannot connect"


class ResolveError(NetworkError, socket.gaierror):
    """The resolver says that there is no such name, or fails."""

    token = "dns_error"
    reason_by_default = "name not found"


class ResolveTimeout(NetworkError, TimeoutError):
    """The resolver was silent until the deadline."""

    token = "dns_timeout"
    reason_by_default = "the resolver did not answer"


class ConnectionRefused(ConnectError, ConnectionRefusedError):
    """Nobody listens there (ECONNREFUSED)."""

    token = "connection_refused"
    reason_by_default = "connection refused"


class Unreachable(ConnectError):
    """No route: host or network unreachable, or prohibited."""

    token = "destination_ip_unroutable"
    reason_by_default = "host unreachable"


class ConnectTimeout(NetworkError, TimeoutError):
    """The deadline of the connect passed in silence."""

    token = "connection_timeout"
    reason_by_default = "no answer before the deadline"


class SocketMissing(ConnectError, FileNotFoundError):
    """The Unix socket's file is not there."""

    token = "destination_not_found"
    reason_by_default = "no such socket file"


class SocketForbidden(ConnectError, PermissionError):
    """No permission to use the Unix socket."""

    token = "destination_ip_prohibited"
    reason_by_default = "permission denied"


class LocalError(NetworkError, OSError):
    """This machine's own limit: no descriptors, no local address left, cannot listen."""

    token = "proxy_internal_error"
    reason_by_default = "local failure"


class TLSError(NetworkError, ssl.SSLError):
    """The peer does not speak TLS, or the handshake or the encryption broke.

    Args:
        openssl: OpenSSL's name for it ("WRONG_VERSION_NUMBER"), "" where it has none.
    """

    token = "tls_protocol_error"
    reason_by_default = "TLS failed"
    own_fields: tuple[str, ...] = ("openssl",)

    openssl: str = ""


class CertificateError(TLSError, ssl.SSLCertVerificationError):
    """The peer's certificate was refused here.

    Args:
        verify_code: OpenSSL's number for the reason: 10 expired, 18 self-signed, 19 and 20 signed
            by nobody we trust, 62 for another name; 0 where it gave none.
        verify_message: the same in words.
    """

    token = "tls_certificate_error"
    reason_by_default = "certificate refused"
    own_fields = ("openssl", "verify_code", "verify_message")

    verify_code: int = 0
    verify_message: str = ""


class TLSAlert(TLSError):
    """The peer refused: it sent an alert."""

    token = "tls_alert_received"
    reason_by_default = "the peer sent an alert"


class TunnelError(NetworkError):
    """A proxy refuses to connect to the peer. It carries the proxy's answer.

    Args:
        status: of an HTTP proxy's answer (407), or a SOCKS proxy's reply code (5).
        headers: of an HTTP proxy's answer: (name, value) in the order they came.
        body: what an HTTP proxy said about it, no more than 64 KiB.
    """

    token = "connection_refused"
    reason_by_default = "the proxy refused"
    own_fields = ("status", "headers", "body")

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class ConnectionClosed(NetworkError, ConnectionResetError):
    """The peer closed or reset the connection while something was expected of it.

    Args:
        bytes_received: how much of what was expected had come, where that is known.
    """

    token = "connection_terminated"
    reason_by_default = "closed by the peer"
    own_fields = ("bytes_received",)

    bytes_received: int = 0


class TLSTruncated(ConnectionClosed, ssl.SSLEOFError):
    """End of file without TLS's goodbye (close_notify): what came may have been cut short."""

    reason_by_default = "end of file without close_notify: what came may be cut short"


class ReadTimeout(NetworkError, TimeoutError):
    """The peer was silent past the deadline: with the head of its reply, or with what follows."""

    token = "connection_read_timeout"
    reason_by_default = "nothing received before the deadline"

    def __init__(self, reason: str = "", *, phase: str = "connect", **more: Any) -> None:
        more["token"] = "http_response_timeout" if phase == "head" else ""
        super().__init__(reason, phase=phase, **more)


class WriteTimeout(NetworkError, TimeoutError):
    """The peer did not take what was sent before the deadline."""

    token = "connection_write_timeout"
    reason_by_default = "the peer does not read"


class ProtocolError(NetworkError):
    """The peer broke the grammar or a limit of the protocol."""

    token = "http_protocol_error"
    reason_by_default = "protocol violated"


class IncompleteBody(NetworkError, EOFError):
    """A body with a length, or a chunked one, ended too early."""

    token = "http_response_incomplete"
    reason_by_default = "body cut short"


class Closed(NetworkError):
    """The object was used, or waited for, after it closed. Its cause is in `__cause__`."""

    token = "proxy_internal_error"
    reason_by_default = "already closed"

    def __str__(self) -> str:
        return f"closed: {self.__cause__}" if self.__cause__ is not None else self.reason


_BY_ERRNO: dict[int, type[NetworkError]] = {
    numbers.ECONNREFUSED: ConnectionRefused,
    numbers.EHOSTUNREACH: Unreachable,
    numbers.ENETUNREACH: Unreachable,
    numbers.EACCES: Unreachable,
    numbers.EPERM: Unreachable,
    numbers.EINVAL: Unreachable,
    numbers.EHOSTDOWN: Unreachable,
    numbers.ENETDOWN: Unreachable,
    numbers.ETIMEDOUT: ConnectTimeout,
    numbers.ENOENT: SocketMissing,
    numbers.EMFILE: LocalError,
    numbers.ENFILE: LocalError,
    numbers.ENOBUFS: LocalError,
    numbers.ENOMEM: LocalError,
    numbers.EIO: LocalError,
    numbers.EADDRNOTAVAIL: LocalError,
    numbers.EADDRINUSE: LocalError,
    numbers.EAGAIN: LocalError,
    numbers.ECONNRESET: ConnectionClosed,
    numbers.EPIPE: ConnectionClosed,
    numbers.ECONNABORTED: ConnectionClosed,
}


def from_errno(
    number: int,
    *,
    phase: str,
    peer: str = "",
    address: str = "",
    elapsed: float | None = None,
    unix: bool = False,
) -> NetworkError:
    """The error for an errno of the operating system (`failures.md`, one class per meaning).

    Args:
        number: the errno, read once where the system call failed.
        phase: the step that failed, one of `PHASES`.
        peer: who was meant; `address`: who was tried; `elapsed`: seconds.
        unix: the peer is a Unix socket, where EACCES is a permission and EAGAIN a full backlog.

    >>> from_errno(111, phase="connect").token
    'connection_refused'
    """
    kind = _BY_ERRNO.get(number, ConnectError if phase == "connect" else ConnectionClosed)
    if unix and number in (numbers.EACCES, numbers.EPERM):
        kind = SocketForbidden
    elif unix and number == numbers.EAGAIN:
        kind = ConnectionRefused
    reason = os.strerror(number).lower()
    return kind(reason, phase=phase, errno=number, peer=peer, address=address, elapsed=elapsed)


#: What OpenSSL calls it when the first bytes of the peer are no TLS.
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG"}
)
#: Alerts whose name in OpenSSL does not say that they are one.
_ALERTS = frozenset(
    {
        "TLSV1_UNSUPPORTED_EXTENSION",
        "TLSV1_CERTIFICATE_UNOBTAINABLE",
        "TLSV1_UNRECOGNIZED_NAME",
        "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
        "TLSV1_BAD_CERTIFICATE_HASH_VALUE",
    }
)


def from_ssl_error(
    error: Exception, *, phase: str = "tls", peer: str = "", elapsed: float | None = None
) -> NetworkError:
    """The error for a failure that the `ssl` module reports, with it as the cause.

    Args:
        error: what was raised; anything else than an `ssl.SSLError` was raised on the way.
        phase: the step that failed, one of `PHASES`; `peer`: who was meant; `elapsed`: seconds.

    >>> refused = ssl.SSLError(1, "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca")
    >>> refused.reason = "TLSV1_ALERT_UNKNOWN_CA"
    >>> type(from_ssl_error(refused)).__name__, str(from_ssl_error(refused))
    ('TLSAlert', 'tls failed: the peer sent an alert: unknown ca')
    """
    name = getattr(error, "reason", None) or ""
    words = name.lower().replace("_", " ")
    kind = TLSError
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = CertificateError
        words = f"certificate refused: {getattr(error, 'verify_message', error)}"
    elif "_ALERT_" in name or name in _ALERTS:
        kind = TLSAlert
        words = f"the peer sent an alert: {words.partition(' alert ')[2] or words}"
    elif name in _NOT_TLS:
        words = f"the peer does not speak TLS ({words})"
    failure = kind(words or str(error), phase=phase, peer=peer, elapsed=elapsed)
    failure.openssl = name
    if isinstance(failure, CertificateError):
        failure.verify_code = getattr(error, "verify_code", 0)
        failure.verify_message = getattr(error, "verify_message", "")
    failure.__cause__ = error
    return failure


def own_copy(error: BaseException) -> BaseException:
    """An exception that one who waits may raise: a copy where the class allows one.

    A shared exception object would share its traceback among all who raise it.
    """
    return error.again() if isinstance(error, NetworkError) else error


def duration(seconds: float) -> str:
    """Seconds as a person reads them.

    >>> duration(0.0004), duration(0.31), duration(12.5)
    ('0.4 ms', '310 ms', '12.5 s')
    """
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
