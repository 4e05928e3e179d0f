"""Proxies that tunnel: their addresses as people write them, and who speaks which protocol.

Knows no connection; credentials appear in no message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

from tether.stream.address import literal, parse_address

PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: `parse_proxy` reads one.

    Args:
        scheme: "http", "https" (TLS to the proxy itself) or "socks5".
        address: "host:port" of the proxy.
        user, password: for the proxy; None where there are none.
    """

    scheme: str
    address: str
    host: str
    user: bytes | None = field(default=None, repr=False)
    password: bytes = field(default=b"", repr=False)


def parse_proxy(url: str) -> Proxy:
    """The proxy that a URL means: "http://user:password@host:port", https or socks5.

    A password or a user with "@", ":" or "/" is percent-encoded. A SOCKS proxy resolves the names
    itself (what curl calls socks5h).

    Raises:
        ValueError: it is no such URL; the message does not show the credentials.

    >>> parse_proxy("http://user:p%40ss@[::1]:3128")
    Proxy(scheme='http', address='[::1]:3128', host='::1')
    """
    # No message says more of the URL than its scheme and what follows the credentials.
    scheme, _, rest = url.partition("://")
    named = f"{scheme}://{rest.rpartition('@')[2]}" if rest else "a URL without ://"
    scheme = scheme.lower()
    if scheme not in PORTS or not rest:
        raise ValueError(f"a proxy is http://, https:// or socks5://host:port, not {named!r}")
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("the proxy's URL has characters that no URL has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = None
    if parts is None or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"a proxy's URL is scheme://host:port and nothing else: {named!r}")
    family = literal(host)
    address = f"[{host}]" if family is not None and ":" in host else host
    address += f":{PORTS[scheme] if port is None else port}"
    try:
        parse_address(address)
    except ValueError:
        raise ValueError(f"the proxy's address cannot be read: {named!r}") from None
    user = None if parts.username is None else unquote_to_bytes(parts.username)
    password = unquote_to_bytes(parts.password or "")
    if user is not None and scheme.startswith("http") and b":" in user:
        raise ValueError("a user with a colon cannot be told to an HTTP proxy (RFC 7617)")
    if user is not None and scheme.startswith("socks") and not 0 < len(user) < 256 > len(password):
        raise ValueError("user and password of a SOCKS proxy have 1 to 255 bytes (RFC 1929)")
    return Proxy(scheme.removesuffix("h"), address, host, user, password)
