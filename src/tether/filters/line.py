"""Lines of text protocols, however they end. Knows bytes, no stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tether.errors import ProtocolError
from tether.stream.filter import Filter

ENDS = {"crlf": b"\r\n", "lf": b"\n", "nul": b"\0", "any": b"\n"}


class Line(Filter):
    r"""Makes each line end with b"\n" for the user and with the protocol's end on the wire.

    The stream receives whole lines: where it reads with `on_data`, each call has one (as long as
    lines are shorter than the high mark). An unfinished one comes at the end of file as it is.

    Args:
        end: what ends a line: "crlf" (b"\r\n" and nothing else), "lf", "nul" (b"\0"), or "any":
            b"\r\n" or b"\n" from the peer, b"\n" to it.
        limit: the most bytes of a line without its end; a longer one is a `ProtocolError`.

    >>> import tether
    >>> async def main():
    ...     near, far = tether.pair()
    ...     near.push(tether.filters.Line())
    ...     near.send(b"HELO there\n")
    ...     far.send(b"250 hello\r\n")
    ...     return await far.read(), await near.read()
    >>> tether.run(main())
    (b'HELO there\r\n', b'250 hello\n')
    """

    def __init__(
        self, end: Literal["crlf", "lf", "nul", "any"] = "crlf", *, limit: int = 8192
    ) -> None:
        if end not in ENDS:
            raise ValueError(f"no such end of line: {end!r} (there is: {', '.join(ENDS)})")
        if limit < 1:
            raise ValueError(f"a line has 1 byte or more, got {limit}")
        self.mark = ENDS[end]
        self.takes_both = end == "any"
        self.limit = limit
        self.rest = bytearray()

    def encode(self, data: bytes) -> bytes:
        """See `Filter.encode`."""
        return data.replace(b"\n", self.mark) if self.mark != b"\n" else data

    def decode(self, data: bytes) -> Iterator[bytes]:
        """See `Filter.decode`."""
        rest, size = self.rest, len(self.mark)
        looked_at = max(0, len(rest) - size + 1)
        rest += data
        start = 0
        while (found := rest.find(self.mark, looked_at)) >= 0:
            stop = found
            if self.takes_both and stop > start and rest[stop - 1] == 13:
                stop -= 1
            self.check(stop - start)
            line = bytes(rest[start:stop]) + b"\n"
            start = looked_at = found + size
            yield line
        del rest[:start]
        # A last b"\r" may be the beginning of the end.
        self.check(len(rest) - (rest.endswith(b"\r") and (self.takes_both or size == 2)))

    def eof(self) -> bytes:
        """See `Filter.eof`."""
        rest, self.rest = bytes(self.rest), bytearray()
        self.check(len(rest))
        return rest

    def check(self, size: int) -> None:
        """Refuse a line that is too long."""
        if size > self.limit:
            raise ProtocolError(f"a line of more than {self.limit} bytes", phase="message")
