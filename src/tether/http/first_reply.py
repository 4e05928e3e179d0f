"""One question over a stream, and the head of the reply to it: what a probe wants to know.

Knows the grammar of a reply's head (RFC 9112, sections 4 and 5); no body, no redirect, no second
question.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from dataclasses import dataclass
from os import urandom

from tether.errors import (
    Closed,
    ConnectionClosed,
    NetworkError,
    ProtocolError,
    ReadTimeout,
    TLSError,
)
from tether.http.messages import Headers
from tether.stream.stream import Stream

#: Bytes of a reply's head.
HEAD_LIMIT = 64 * 1024
END = b"\r\n\r\n"
TLS_ALERT = b"\x15\x03"
_STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: ([^\r\n\0]*))?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")


@dataclass(frozen=True, slots=True)
class ReplyHead:
    """What a server answered.

    Args:
        version: "1.0" or "1.1"; `reason`: what it says beside the status, "" for nothing.
    """

    version: str
    status: int
    reason: str
    headers: Headers


async def first_reply(
    stream: Stream,
    host: str,
    target: str = "/",
    *,
    is_upgrade: bool = False,
    timeout: float | None = 10.0,
) -> ReplyHead:
    """Send a GET, or ask for a WebSocket, and read the head of the reply; nobody reads the rest.

    Args:
        stream: where a server listens to HTTP.
        host: of the URL, with its port where it is not the usual one.
        target: path and query.
        is_upgrade: ask for a WebSocket (RFC 6455, section 4.1).
        timeout: seconds for all of it; None waits for ever.

    Raises:
        ConnectionClosed: closed or reset before the head was there; `bytes_received` says how much
            of it had come.
        ReadTimeout: no head before the deadline.
        ProtocolError: the reply is not HTTP, or its head is over 64 KiB.
        ValueError: `host` or `target` cannot be sent.
    """
    if re.search(r"[^!-~]", host + target) or not target.startswith("/"):
        raise ValueError(f"not to be sent in a request: {host!r}, {target!r}")
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "User-Agent: tether", "Accept: */*"]
    if is_upgrade:
        key = b64encode(urandom(16)).decode()
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Key: {key}"]
    else:
        lines += ["Connection: close"]
    loop = asyncio.get_running_loop()
    began = loop.time()
    received = bytearray()
    try:
        async with asyncio.timeout(timeout):
            await stream.send("\r\n".join([*lines, "", ""]).encode())
            return await _read_head(stream, received)
    except NetworkError as error:
        raise _told(error, stream, received, loop.time() - began) from error
    except TimeoutError:
        raise ReadTimeout(
            "no head of a reply before the deadline",
            phase="head",
            peer=stream.peer,
            address=_host(stream),
            elapsed=loop.time() - began,
        ) from None


async def _read_head(stream: Stream, received: bytearray) -> ReplyHead:
    size = 0
    while True:
        while END not in received:
            if received.startswith(TLS_ALERT):
                raise ProtocolError("the reply is not HTTP, but TLS")
            if not b"HTTP/1.".startswith(received[:7]):
                raise ProtocolError(f"the reply is not HTTP: {_printable(received[:20])!r}")
            if len(received) + size > HEAD_LIMIT:
                raise ProtocolError(
                    f"the head of the reply is over {HEAD_LIMIT} bytes",
                    token="http_response_header_section_size",
                )
            piece = await stream.read()
            if not piece:
                raise ConnectionClosed()
            received += piece
        head, _, rest = bytes(received).partition(END)
        reply = _parse(head)
        if reply.status >= 200 or reply.status == 101:
            return reply
        size += len(head)
        received[:] = rest  # an interim one: the reply follows it (RFC 9110, section 15.2)


def _parse(head: bytes) -> ReplyHead:
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise ProtocolError(f"the reply is not HTTP: {_printable(first[:40])!r}")
    fields: list[tuple[str, str]] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise ProtocolError(f"a field of the reply's head is none: {_printable(line[:40])!r}")
        fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
    reason = _printable(status[3] or b"")[:100]
    return ReplyHead(status[1].decode(), int(status[2]), reason, Headers(fields))


def _told(error: NetworkError, stream: Stream, received: bytearray, elapsed: float) -> NetworkError:
    """The failure as one of the reply's head; what TLS broke on stays TLS's."""
    if isinstance(error, Closed) and isinstance(error.__cause__, NetworkError):
        error = error.__cause__  # it had failed before anything was sent
    told = error.again()
    told.phase = "tls" if isinstance(error, TLSError) else "head"
    told.peer, told.elapsed = stream.peer, elapsed
    told.address = _host(stream)
    if isinstance(told, ConnectionClosed):
        told.bytes_received = len(received)
        where = "in the head of the reply" if received else "before any byte of the reply"
        told.reason = f"{'closed by the peer' if told.errno is None else told.reason} {where}"
    return told


def _host(stream: Stream) -> str:
    return stream.peer.rpartition(":")[0].strip("[]")


def _printable(data: bytes | bytearray) -> str:
    # It goes into messages: nothing in it may end a line or move a cursor.
    return re.sub(r"[^ -~]", "?", data.decode("latin-1"))
