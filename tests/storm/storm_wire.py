"""What both sides of the storm agree on: addresses, messages and frames. Knows no socket."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator

METERS = 16
STYLES = ("timer", "message", "drain", "on_close", "task", "handler", "raise")
"""Where a session of `/storm/{style}/{token}` closes itself and a sibling (`raise`: fails)."""

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KNOWN = frozenset((TEXT, BINARY, CLOSE, PING, PONG))
KILLED = 4001
"""The close code of a session that another one closed; the reason is its own token."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Foreign(Exception):
    """Bytes came that were not meant for this client, or that no server may send."""


def message(token: str, number: int, repeats: int) -> str:
    """A push: it belongs to its token in every byte, so that a stray piece shows."""
    return f"{token} {number} {repeats} " + token * repeats


def read_number(token: str, text: str) -> int:
    """The number of a push for `token`. Raises Foreign where it is not exactly one."""
    words = text.split(" ", 3)
    if len(words) != 4 or not (words[1].isdigit() and words[2].isdigit()):
        raise Foreign(f"not a push: {text[:80]!r}")
    number = int(words[1])
    if text != message(token, number, int(words[2])):
        raise Foreign(f"not a push for {token}: {text[:80]!r}")
    return number


def key_of(token: str) -> bytes:
    """The token's own Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.md5(token.encode()).digest())


def handshake(path: str, host: str, token: str, protocol: str = "") -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key_of(token).decode()}",
    ]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, "", ""]).encode()


def check_head(head: bytes, token: str) -> None:
    """Raises Foreign where this is not the answer to this token's handshake."""
    accept = base64.b64encode(hashlib.sha1(key_of(token) + _GUID).digest())
    lines = head.split(b"\r\n")
    if lines[0] != b"HTTP/1.1 101 Switching Protocols":
        raise Foreign(f"refused: {lines[0]!r}")
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if line)
    if fields.get(b"sec-websocket-accept") != accept.lower():
        raise Foreign("the handshake was answered with the key of another")


def masked(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame."""
    mask = b"\x5a\x00\xff\x21"
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + mask + bytes(octet ^ mask[index & 3] for index, octet in enumerate(payload))


class Frames:
    """A server's frames, cut out of the bytes as they come."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def __len__(self) -> int:
        """How many bytes of an unfinished frame there are."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        rest = self._rest
        rest += data
        position = 0
        while len(rest) - position >= 2:
            first, second = rest[position], rest[position + 1]
            opcode = first & 15
            if first & 0xF0 != 0x80 or second & 0x80 or opcode not in KNOWN:
                raise Foreign(f"not a server's frame: {bytes(rest[position : position + 16])!r}")
            size, start = second, position + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                if len(rest) < start + width:
                    break
                size = int.from_bytes(rest[start : start + width], "big")
                start += width
            if len(rest) < start + size:
                break
            position = start + size
            yield opcode, bytes(rest[start:position])
        del rest[:position]
