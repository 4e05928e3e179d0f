"""The way through a proxy: HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, 1929).

Knows a stream to the proxy and the words of the two protocols. It reads not one byte more than the
proxy's own answer: what comes after it belongs to who uses the tunnel.
"""

from __future__ import annotations

import asyncio
import re
import socket
from base64 import b64encode

from tether.errors import ConnectionClosed, NetworkError, ProtocolError, TunnelError
from tether.stream.address import format_address, literal
from tether.stream.proxy import Proxy
from tether.stream.stream import Stream

#: Bytes of an answer's head, and of what a refusal says beside it.
HEAD_LIMIT, BODY_LIMIT = 32 * 1024, 64 * 1024
#: Seconds that a refusal gets to say all it has to say.
BODY_SECONDS = 1.0

END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n\0]*))?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")

#: RFC 1928, section 6.
REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "it knows no CONNECT",
    8: "it does not know this kind of address",
}


async def open_tunnel(
    stream: Stream, proxy: Proxy, host: str, port: int, *, deadline: float | None = None
) -> None:
    """Have the proxy at the other end of `stream` connect to `host`; then `stream` leads there.

    Args:
        deadline: on the loop's clock. Who calls keeps it; a refusal is told before it, without
            the rest of what the proxy may say about it.

    Raises:
        TunnelError: the proxy refuses; it carries the answer.
        ProtocolError: what the proxy says is neither a yes nor a no.
        ConnectionClosed: it closed before it answered.
    """
    try:
        if proxy.scheme == "socks5":
            await _socks(stream, proxy, host, port)
        else:
            await _connect(stream, proxy, host, port, deadline)
    except ConnectionClosed as error:
        told = ConnectionClosed(f"the proxy closed: {error.reason}", errno=error.errno)
        told.phase = "tunnel"
        raise told from error
    except NetworkError as error:
        error.phase = "tunnel"
        raise


async def _connect(
    stream: Stream, proxy: Proxy, host: str, port: int, deadline: float | None
) -> None:
    target = format_address(socket.AF_INET, (_ascii(host).decode(), port))
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.user is not None:
        credentials = b64encode(proxy.user + b":" + proxy.password).decode()
        head += f"Proxy-Authorization: Basic {credentials}\r\n"
    await stream.send(f"{head}\r\n".encode())
    room = HEAD_LIMIT
    while True:
        answer = await _head(stream, room)
        room -= len(answer)
        status, reason, headers = _parse(answer)
        if status == 101:
            raise ProtocolError("the proxy switched to another protocol")
        if status >= 200:
            break
    if status < 300:
        return
    error = TunnelError(f"the proxy answered {status} {reason}".rstrip())
    error.status, error.headers = status, headers
    now = asyncio.get_running_loop().time()
    seconds = BODY_SECONDS if deadline is None else min(BODY_SECONDS, (deadline - now) / 2)
    error.body = await _body(stream, headers, now + seconds)
    raise error


async def _head(stream: Stream, room: int) -> bytes:
    # The end is four bytes; so many of them as are still missing can be read without harm.
    head = bytearray()
    missing = len(END)
    while missing:
        if len(head) + missing > room:
            raise ProtocolError(f"the head of the proxy's answer is over {HEAD_LIMIT} bytes")
        head += await stream.readexactly(missing)
        if not b"HTTP/".startswith(head[:5]):
            raise ProtocolError(f"the proxy does not speak HTTP: {_printable(bytes(head[:20]))!r}")
        missing = next(n for n in range(len(END) + 1) if head.endswith(END[: len(END) - n]))
    return bytes(head)


def _parse(head: bytes) -> tuple[int, str, tuple[tuple[str, str], ...]]:
    first, *lines = head.removesuffix(END).split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise ProtocolError(f"the proxy's answer is not HTTP: {_printable(first[:40])!r}")
    headers: list[tuple[str, str]] = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise ProtocolError(
                f"a header of the proxy's answer is none: {_printable(line[:40])!r}"
            )
        headers.append((header[1].decode(), header[2].decode("latin-1")))
    return int(status[1]), _printable(status[2] or b"")[:100], tuple(headers)


async def _body(stream: Stream, headers: tuple[tuple[str, str], ...], deadline: float) -> bytes:
    """What a refusal says beside its head; what the proxy does not send in time is left out."""
    named = {name.lower(): value for name, value in headers}
    length = named.get("content-length", "")
    is_chunked = named.get("transfer-encoding", "").lower() == "chunked"
    size = int(length[:9]) if length.isascii() and length.isdecimal() else BODY_LIMIT
    size = min(size, BODY_LIMIT)
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            while len(body) < size and not (is_chunked and body.endswith(b"0\r\n\r\n")):
                piece = await stream.read(size - len(body))
                if not piece:
                    break
                body += piece
    except (TimeoutError, NetworkError):
        pass  # the refusal is told all the same
    return _unchunked(bytes(body)) if is_chunked else bytes(body)


def _unchunked(data: bytes) -> bytes:
    """The content of chunks, as far as they go.

    >>> _unchunked(b"3\\r\\nabc\\r\\n2;x=y\\r\\nde\\r\\n0\\r\\n\\r\\n")
    b'abcde'
    """
    content = bytearray()
    while found := re.match(rb"([0-9A-Fa-f]{1,6})[^\r\n]*\r\n", data):
        size = int(found[1], 16)
        if size == 0:
            break
        content += data[found.end() : found.end() + size]
        data = data[found.end() + size + 2 :]
    return bytes(content)


async def _socks(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    methods = b"\x00" if proxy.user is None else b"\x00\x02"
    await stream.send(bytes([5, len(methods)]) + methods)
    version, method = await stream.readexactly(2)
    if version != 5:
        raise ProtocolError(f"the proxy does not speak SOCKS 5: it began with {version}")
    if method == 2 and proxy.user is not None:
        user, password = proxy.user, proxy.password
        await stream.send(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if (await stream.readexactly(2))[1] != 0:
            raise TunnelError("the proxy refused user and password")
    elif method != 0:
        asks = "asks for a user and a password" if proxy.user is None else "wants neither of both"
        raise TunnelError(f"the proxy {asks}")
    await stream.send(b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
    version, reply, _, kind = await stream.readexactly(4)
    if version != 5:
        raise ProtocolError(f"the proxy does not speak SOCKS 5: it answered with {version}")
    if reply != 0:
        error = TunnelError(f"the proxy answered {reply}, {REPLIES.get(reply, 'unknown')}")
        error.status = reply
        raise error
    if kind not in (1, 3, 4):
        raise ProtocolError(f"the proxy bound an address of kind {kind}")
    size = {1: 4, 4: 16}.get(kind) or (await stream.readexactly(1))[0]
    await stream.readexactly(size + 2)


def _socks_address(host: str) -> bytes:
    family = literal(host)
    if family is not None:
        packed = socket.inet_pton(family, host.partition("%")[0])
        return bytes([1 if family == socket.AF_INET else 4]) + packed
    name = _ascii(host)
    if len(name) > 255:
        raise ProtocolError("a name of more than 255 bytes cannot be told to a SOCKS proxy")
    return bytes([3, len(name)]) + name


def _ascii(host: str) -> bytes:
    """The name as it travels."""
    if host.isascii():
        return host.encode()
    try:
        return host.encode("idna")
    except UnicodeError as error:
        raise ProtocolError(f"not a name: {error}") from error


def _printable(data: bytes) -> str:
    # It goes into messages and logs: nothing in it may end a line or move a cursor.
    return re.sub(r"[^ -~]", "?", data.decode("latin-1"))
