"""Compression of a stream (RFC 1950, 1951, 1952). Knows zlib, no stream."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from tether.errors import ProtocolError
from tether.stream.filter import Filter

PIECE = 64 * 1024


class Gzip(Filter):
    """Compresses what is sent and decompresses what comes.

    What was sent reaches the peer when the loop's pass ends, not when a block is full. Inflated
    bytes are made as they are taken: a bomb waits on the wire, or ends the stream at `limit`.

    Args:
        level: 0 (none) to 9 (smallest); -1 is zlib's default.
        window: log2 of the window, 9 to 15. The format goes with it: +16 is gzip (RFC 1952, the
            default, 31), as it is zlib's (RFC 1950), negative is raw deflate (RFC 1951).
        limit: the most bytes that may come out of the peer's stream, None for no limit.

    A stream that ends before its trailer, or goes on after it, is a `ProtocolError`; gzip may have
    several members.

    >>> import tether
    >>> async def main():
    ...     near, far = tether.pair()
    ...     near.push(tether.filters.Gzip())
    ...     far.push(tether.filters.Gzip())
    ...     near.send(b"hello" * 1000)
    ...     data = await far.readexactly(5000)
    ...     return data == b"hello" * 1000, near.bytes_sent < 200
    >>> tether.run(main())
    (True, True)
    """

    def __init__(self, *, level: int = -1, window: int = 31, limit: int | None = None) -> None:
        if limit is not None and limit < 0:
            raise ValueError(f"limit is 0 bytes or more, got {limit}")
        if not -1 <= level <= 9:
            raise ValueError(f"a level is -1 to 9, got {level}")
        if not (9 <= window <= 15 or 25 <= window <= 31 or -15 <= window <= -9):
            raise ValueError(f"no such window: {window}")
        self.window = window
        self.limit = limit
        self.inflated = 0
        self.deflating = zlib.compressobj(level, zlib.DEFLATED, window)
        self.inflating = zlib.decompressobj(window)
        self.has_begun = False

    def encode(self, data: bytes) -> bytes:
        """See `Filter.encode`."""
        return self.deflating.compress(data)

    def flush(self) -> bytes:
        """See `Filter.flush`."""
        return self.deflating.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """See `Filter.end`: the trailer with the checksum."""
        return self.deflating.flush(zlib.Z_FINISH)

    def decode(self, data: bytes) -> Iterator[bytes]:
        """See `Filter.decode`."""
        while True:
            if self.inflating.eof:
                if not data:
                    return
                if self.window < 16:
                    raise ProtocolError("bytes after the end of the stream", phase="message")
                self.inflating = zlib.decompressobj(self.window)  # the next member
            self.has_begun = self.has_begun or bool(data)
            piece = self.inflating.decompress(data, PIECE)
            self.inflated += len(piece)
            if self.limit is not None and self.inflated > self.limit:
                raise ProtocolError(f"inflates to more than {self.limit} bytes", phase="message")
            yield piece
            data = self.inflating.unused_data or self.inflating.unconsumed_tail
            if not data and len(piece) < PIECE:
                return

    def eof(self) -> bytes:
        """See `Filter.eof`."""
        if self.has_begun and not self.inflating.eof:
            raise ProtocolError("the compressed stream is cut short", phase="message")
        return b""
