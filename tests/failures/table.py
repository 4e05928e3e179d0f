"""Which failure each fault has to be: class, built-in base, token, phase, errno, address.

Data alone. Each row of the table of failures is here, also those that wait for parts of tether that
are not built yet, with the reason.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

V4, NOBODY = "127.0.0.1", ""


@dataclass(frozen=True)
class Said:
    """What tether says of a fault.

    Args:
        kind: the class; `base`: the class of Python's that it is, too.
        address: the address that was tried; "/" stands for a Unix socket's path.
        detail: what else tells it from others that have the same class, phase, errno and token.
        is_late: it takes the deadline to know.
    """

    kind: str
    base: str
    token: str
    phase: str
    number: int | None
    address: str
    detail: str = ""
    is_late: bool = False


@dataclass(frozen=True)
class Row:
    """A row of the table of failures: its faults by name, or why there are none yet."""

    what: str
    faults: dict[str, Said]
    waits: str = ""


def _name(number: int, detail: str) -> Said:
    return Said("ResolveError", "gaierror", "dns_error", "resolve", number, NOBODY, detail)


def _no_name_server(detail: str) -> Said:
    return Said(
        "ResolveTimeout", "TimeoutError", "dns_timeout", "resolve", None, NOBODY, detail, True
    )


def _refused(address: str = V4) -> Said:
    return Said(
        "ConnectionRefused",
        "ConnectionRefusedError",
        "connection_refused",
        "connect",
        errno.ECONNREFUSED,
        address,
    )


def _unreachable(number: int, address: str) -> Said:
    return Said("Unreachable", "OSError", "destination_ip_unroutable", "connect", number, address)


def _silent(phase: str, address: str = V4) -> Said:
    return Said(
        "ConnectTimeout", "TimeoutError", "connection_timeout", phase, None, address, "", True
    )


def _tls(number: int | None, detail: str) -> Said:
    return Said("TLSError", "SSLError", "tls_protocol_error", "tls", number, V4, detail)


def _certificate(code: int) -> Said:
    return Said(
        "CertificateError",
        "SSLCertVerificationError",
        "tls_certificate_error",
        "tls",
        None,
        V4,
        f"verify_code {code}",
    )


def _closed(number: int | None, detail: str) -> Said:
    return Said(
        "ConnectionClosed",
        "ConnectionResetError",
        "connection_terminated",
        "head",
        number,
        V4,
        detail,
    )


def _tunnel(detail: str, port_of: str = "proxy") -> Said:
    return Said("TunnelError", "", "connection_refused", "tunnel", None, port_of, detail)


def _local(number: int, phase: str, address: str) -> Said:
    return Said("LocalError", "OSError", "proxy_internal_error", phase, number, address)


_CLIENT = "needs the HTTP client, which is not built yet"
_GATEWAY = "needs the gateway, which is not built yet"

TABLE = (
    Row(
        "resolver says no such name, or fails",
        {
            "no such name": _name(socket.EAI_NONAME, "system"),
            "no such name, name servers asked": _name(socket.EAI_NONAME, "NXDOMAIN"),
            "a name without an address": _name(socket.EAI_NODATA, "system"),
            "the name server fails": _name(socket.EAI_AGAIN, "system"),
            "the name server fails, name servers asked": _name(socket.EAI_AGAIN, "SERVFAIL"),
            "the name server will not, name servers asked": _name(socket.EAI_AGAIN, "REFUSED"),
        },
    ),
    Row(
        "resolver silent until the deadline",
        {
            "the name server is silent": _no_name_server("system"),
            "the name server is silent, name servers asked": _no_name_server("127.0.0.53"),
        },
    ),
    Row(
        "refused",
        {
            "nobody listens": _refused(),
            "nobody listens, IPv6": _refused("::1"),
            "nobody listens on the Unix socket": _refused("/"),
            "a firewall rejects with a reset": _refused("127.0.0.62"),
        },
    ),
    Row(
        "host or network unreachable, prohibited",
        {
            "no route": _unreachable(errno.ENETUNREACH, "192.0.2.1"),
            "an unreachable route": _unreachable(errno.EHOSTUNREACH, "192.0.2.2"),
            "a prohibited route": _unreachable(errno.EACCES, "192.0.2.3"),
            "a blackhole route": _unreachable(errno.EINVAL, "192.0.2.4"),
            "a firewall says unreachable": _unreachable(errno.EHOSTUNREACH, "127.0.0.63"),
        },
    ),
    Row(
        "connect deadline passed",
        {
            "a full backlog": _silent("connect"),
            "a firewall drops": _silent("connect", "127.0.0.61"),
            "the proxy is silent": _silent("tunnel", "proxy"),
        },
    ),
    Row(
        "TLS: peer speaks something else, or handshake breaks",
        {
            "plaintext instead of TLS": _tls(None, "WRONG_VERSION_NUMBER"),
            "closed in the handshake": _tls(None, ""),
            "reset in the handshake": _tls(errno.ECONNRESET, ""),
        },
    ),
    Row(
        "TLS: certificate refused",
        {
            "an expired certificate": _certificate(10),
            "a certificate for another name": _certificate(62),
            "a self-signed certificate": _certificate(18),
            "a certificate of an unknown authority": _certificate(20),
        },
    ),
    Row(
        "TLS: peer sent an alert",
        {
            "an alert": Said(
                "TLSAlert",
                "SSLError",
                "tls_alert_received",
                "tls",
                None,
                V4,
                "SSLV3_ALERT_HANDSHAKE_FAILURE",
            )
        },
    ),
    Row(
        "TLS handshake silent until the deadline",
        {"silent in the handshake": _silent("tls")},
    ),
    Row(
        "reset or closed before any byte of the reply",
        {
            "closed before the reply": _closed(None, "0 bytes"),
            "reset before the reply": _closed(errno.ECONNRESET, "0 bytes"),
        },
    ),
    Row(
        "no reply head before the deadline",
        {
            "no reply": Said(
                "ReadTimeout", "TimeoutError", "http_response_timeout", "head", None, V4, "", True
            )
        },
    ),
    Row(
        "reply is not HTTP, or breaks the grammar",
        {
            "a reply that is not HTTP": Said(
                "ProtocolError", "", "http_protocol_error", "head", None, V4
            )
        },
    ),
    Row(
        "reply head larger than the limit",
        {
            "a head without end": Said(
                "ProtocolError", "", "http_response_header_section_size", "head", None, V4
            )
        },
    ),
    Row("closed inside the reply's head", {"closed inside the head": _closed(None, "27 bytes")}),
    Row(
        "send buffer not taken by the peer before the deadline",
        {
            "the peer does not read": Said(
                "WriteTimeout",
                "TimeoutError",
                "connection_write_timeout",
                "send",
                None,
                NOBODY,
                "",
                True,
            )
        },
    ),
    Row(
        "Unix socket missing, no permission",
        {
            "no such Unix socket": Said(
                "SocketMissing",
                "FileNotFoundError",
                "destination_not_found",
                "connect",
                errno.ENOENT,
                "/",
            ),
            "a forbidden Unix socket": Said(
                "SocketForbidden",
                "PermissionError",
                "destination_ip_prohibited",
                "connect",
                errno.EACCES,
                "/",
            ),
        },
    ),
    Row(
        "no descriptors, no local address left, cannot listen",
        {
            "no descriptors": _local(errno.EMFILE, "connect", V4),
            "a local address of another machine": _local(errno.EADDRNOTAVAIL, "connect", V4),
            "the address to listen on is taken": _local(errno.EADDRINUSE, "listen", NOBODY),
        },
    ),
    Row(
        "HTTP or SOCKS proxy refuses",
        {
            "the proxy refuses": _tunnel("status 403"),
            "the SOCKS proxy refuses": _tunnel("status 5"),
        },
    ),
    Row(
        "used after it closed",
        {"used after it closed": Said("Closed", "", "proxy_internal_error", "connect", None, "")},
    ),
    Row("closed in the middle of a body", {}, _CLIENT),
    Row("reset in the middle of a body", {}, _CLIENT),
    Row("body idle past the deadline", {}, _CLIENT),
    Row("reply body over the limit, coding unknown or broken", {}, _CLIENT),
    Row("WebSocket upgrade refused", {}, "needs the WebSocket client, which is not built yet"),
    Row("no healthy backend", {}, _GATEWAY),
    Row("limit of connections to the backend reached", {}, _GATEWAY),
    Row("the request came round again", {}, _GATEWAY),
)

#: All faults, by name.
FAULTS: dict[str, Said] = {name: said for row in TABLE for name, said in row.faults.items()}

#: Faults that are the same to whoever meets them: the same cause, made in another way.
SAME_CAUSE = (
    {"no such name", "no such name, name servers asked"},
    {
        "the name server fails",
        "the name server fails, name servers asked",
        "the name server will not, name servers asked",
    },
    {"the name server is silent", "the name server is silent, name servers asked"},
    {
        "nobody listens",
        "nobody listens, IPv6",
        "nobody listens on the Unix socket",
        "a firewall rejects with a reset",
    },
    {"an unreachable route", "a firewall says unreachable"},
    {"a full backlog", "a firewall drops"},
    {"the proxy refuses", "the SOCKS proxy refuses"},
)
