"""The opening handshake of a server (RFC 6455, section 4.2): checks a request, answers 101.

Knows requests and sessions, no frames.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from tether.http.connection import Request
from tether.http.messages import HTTPError, head_bytes
from tether.websocket.session import WebSocket

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """The answer to a client's key (RFC 6455, section 1.3).

    >>> accept_key("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID).digest()).decode()


def check(request: Request, origins: Iterable[str] | Callable[[str], bool] | None) -> str:
    """The client's key, where the request is a handshake that may go on.

    Raises:
        HTTPError: 405 not GET, 426 not an upgrade or another version, 400 a field is missing or
            wrong, 403 the Origin is not allowed.
    """
    if request.method != "GET":
        raise HTTPError(405, "a WebSocket begins with GET", headers={"Allow": "GET"})
    version = request.headers.get("sec-websocket-version")
    offered = [name.strip(" \t") for name in request.upgrade.split(",")]
    if "websocket" not in offered or version != "13":
        raise HTTPError(
            426,
            "this is a WebSocket, version 13",
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
            },
        )
    keys = request.headers.all("sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise HTTPError(400, "Sec-WebSocket-Key is 16 bytes in base64, once")
    origin = request.headers.get("origin")
    if origin is not None and not origin_allowed(origin, request.headers.get("host", ""), origins):
        raise HTTPError(403, "this Origin may not open a WebSocket here")
    return keys[0]


def origin_allowed(
    origin: str, host: str, origins: Iterable[str] | Callable[[str], bool] | None
) -> bool:
    """Whether a page of `origin` may connect: by default one of the same host and port.

    >>> origin_allowed("http://a:80", "a", None), origin_allowed("http://b", "a", None)
    (True, False)
    """
    if callable(origins):
        return bool(origins(origin))
    if origins is not None:
        return "*" in (listed := set(origins)) or origin in listed
    try:
        parts = urlsplit(origin)
        own = urlsplit(f"{parts.scheme}://{host}")
        default = {"http": 80, "https": 443}.get(parts.scheme)
        return (
            parts.hostname is not None
            and parts.hostname == own.hostname
            and (parts.port or default) == (own.port or default)
        )
    except ValueError:
        return False


def choose_protocol(request: Request, protocols: Sequence[str]) -> str | None:
    """The first subprotocol of ours that the client offers, or None."""
    offered = {
        name.strip(" \t") for name in request.headers.get("sec-websocket-protocol", "").split(",")
    }
    return next((name for name in protocols if name in offered), None)


def accept(
    request: Request,
    *,
    protocols: Sequence[str] = (),
    origins: Iterable[str] | Callable[[str], bool] | None = None,
    message_limit: int = 1024 * 1024,
    fragment_limit: int = 1024,
    write_high: int = 64 * 1024,
    write_low: int = 16 * 1024,
    ping_interval: float | None = 20.0,
    pong_timeout: float = 20.0,
    close_timeout: float = 5.0,
) -> WebSocket:
    """Upgrade `request` and return the session, which has the connection from now on.

    Args:
        protocols: subprotocols that are known here, the best first.
        origins: allowed values of Origin, or a function of one; None means the same host. A
            request without Origin does not come from a page, and is allowed.
        message_limit: bytes of a message (1 MiB); `fragment_limit`: frames of one (1,024).
        write_high, write_low: bytes waiting from which nothing more is taken, and at which it
            goes on.
        ping_interval: seconds of silence after which the client is pinged, None for never;
            `pong_timeout`: seconds it has to show a sign of life.
        close_timeout: seconds for the closing handshake.

    Raises:
        HTTPError: the request is not a handshake, or its Origin is not allowed.
    """
    key = check(request, origins)
    protocol = choose_protocol(request, protocols)
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ]
    if protocol is not None:
        fields.append(("Sec-WebSocket-Protocol", protocol))
    return WebSocket(
        request,
        head_bytes(101, fields) + b"\r\n",
        protocol=protocol,
        message_limit=message_limit,
        fragment_limit=fragment_limit,
        write_high=write_high,
        write_low=write_low,
        ping_interval=ping_interval,
        pong_timeout=pong_timeout,
        close_timeout=close_timeout,
    )


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
