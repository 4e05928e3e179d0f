"""Access without tokens: where the server may listen, and which requests it answers.

It must not know devices or sessions. A request is judged by its peer's address, its Host, its
Origin and the marks of a proxy; the body is never looked at.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["Policy", "Refusal", "RefusedToListen", "check_listen", "is_loopback", "split_host"]

_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
_PROXY_HEADERS: Final = frozenset({"forwarded", "via", "x-real-ip"})
_PROXY_PREFIX: Final = "x-forwarded-"


class Judged(Protocol):
    """What the policy needs of a request."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Fields by name, in any case."""

    @property
    def peer(self) -> str:
        """The other end's address, `ip:port`."""


class RefusedToListen(Exception):
    """The address would let others in unasked; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than the one that was asked for: HTTP status and a plain sentence."""

    status: int
    message: str


def split_host(authority: str) -> tuple[str, str]:
    """Split `host`, `host:port` or `[v6]:port` into a lower-case host and a port or "".

    >>> split_host("Localhost:8080"), split_host("[::1]"), split_host("[::1]:80")
    (('localhost', '8080'), ('::1', ''), ('::1', '80'))
    """
    authority = authority.strip().lower()
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        return host, rest.removeprefix(":")
    host, colon, port = authority.rpartition(":")
    if not colon or ":" in host:
        # No port, or a bare IPv6 address.
        return authority.removesuffix("."), ""
    return host.removesuffix("."), port


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback(host: str) -> bool:
    """Tell whether a host, without a port, can only be this machine.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "0.0.0.0", "board")]
    [True, True, True, False, False]
    """
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def check_listen(addresses: Iterable[str], *, insecure: bool) -> None:
    """Refuse an address that other machines reach, unless `insecure` was asked for.

    Raises `RefusedToListen`.

    >>> check_listen(["127.0.0.1:8080", "[::1]:8080", "unix:/run/tether.sock"], insecure=False)
    >>> check_listen(["0.0.0.0:8080"], insecure=True)
    """
    if insecure:
        return
    for address in addresses:
        if address.startswith("unix:") or is_loopback(split_host(address)[0]):
            continue
        raise RefusedToListen(
            f"refusing to listen on {address}: every machine that reaches it could switch the "
            "devices, since tokens and TLS are not built yet. Listen on 127.0.0.1 and use an SSH "
            "tunnel from elsewhere, or add --insecure if everybody on that network may do so"
        )


class Policy:
    """Judges each request before it is routed.

    `hosts` and `origins` are allowed in addition to what is safe by itself: loopback names, and
    with `insecure` also bare IP addresses and this machine's own name. An IP address in Host
    cannot come from DNS rebinding, a name can.

    >>> from types import SimpleNamespace as Request
    >>> policy = Policy()
    >>> policy.check(Request(peer="127.0.0.1:5", headers={"Host": "127.0.0.1:8080"}))
    >>> policy.check(Request(peer="127.0.0.1:5", headers={"Host": "evil.example"})).status
    421
    """

    def __init__(
        self,
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        insecure: bool = False,
    ) -> None:
        self._hosts = {split_host(host)[0] for host in hosts}
        self._origins = {origin.strip().lower().rstrip("/") for origin in origins}
        self._insecure = insecure
        if insecure:
            own_name = socket.gethostname().lower()
            self._hosts |= {own_name, own_name.partition(".")[0] + ".local"}

    def check(self, request: Judged) -> Refusal | None:
        """Judge a request; `None` lets it go on."""
        headers = request.headers
        host_header = headers.get("Host") or ""
        host, _ = split_host(host_header)
        return (
            self._check_host(host)
            or self._check_origin(headers.get("Origin"), host_header)
            or (None if self._insecure else self._check_loopback(request, host))
        )

    def _check_host(self, host: str) -> Refusal | None:
        if host in self._hosts or is_loopback(host):
            return None
        if self._insecure and _address(host) is not None:
            return None
        return Refusal(
            421,
            "this server does not answer to that Host name; add it to server.hosts in tether.toml",
        )

    def _check_origin(self, origin: str | None, host_header: str) -> Refusal | None:
        if origin is None:
            # Not a browser, or a browser that follows a plain link.
            return None
        if origin.lower() in self._origins:
            return None
        scheme, separator, authority = origin.lower().partition("://")
        if separator and scheme in _DEFAULT_PORTS:
            default = _DEFAULT_PORTS[scheme]
            origin_host, origin_port = split_host(authority)
            host, port = split_host(host_header)
            if origin_host == host and (origin_port or default) == (port or default):
                return None
        return Refusal(
            403,
            "a page of another site may not use this server; "
            "add its origin to server.origins in tether.toml",
        )

    @staticmethod
    def _check_loopback(request: Judged, host: str) -> Refusal | None:
        for name in request.headers:
            if name.lower() in _PROXY_HEADERS or name.lower().startswith(_PROXY_PREFIX):
                return Refusal(
                    403,
                    f"this request came through a proxy ({name}), so its sender may be anyone; "
                    "that needs a token, which this version does not have (or --insecure)",
                )
        peer = request.peer
        # A Unix socket is guarded by the permissions of its file.
        peer_is_local = not peer or peer.startswith("unix:") or is_loopback(split_host(peer)[0])
        if peer_is_local and is_loopback(host):
            return None
        return Refusal(
            403,
            "only this machine itself may use the server without a token, and this version has "
            "no tokens yet; start it with --insecure if everybody who reaches it may",
        )
