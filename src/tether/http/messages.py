"""HTTP messages as people handle them: headers, responses, errors. Knows no connection.

Everything that goes into a head is checked at one point, `Response.head`: a name is a token, a
value has no control characters (RFC 9110, section 5.5), so nobody can inject a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

REASONS: dict[int, bytes] = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


class Headers(Mapping[str, str]):
    """Header fields: names in lower case, in their order; a look-up ignores case.

    >>> headers = Headers([("host", "a"), ("accept", "x"), ("accept", "y")])
    >>> headers["Accept"], headers.all("accept"), headers.get("cookie")
    ('x, y', ['x', 'y'], None)
    """

    __slots__ = ("fields",)

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields

    def all(self, name: str) -> list[str]:
        """Every value of `name`, one per line it stood on."""
        name = name.lower()
        return [value for key, value in self.fields if key == name]

    def __getitem__(self, name: str) -> str:
        values = self.all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key for key, _ in self.fields))

    def __len__(self) -> int:
        return len({key for key, _ in self.fields})

    def __repr__(self) -> str:
        return f"Headers({self.fields!r})"


class Response:
    """What a handler answers.

    Args:
        body: bytes, or text that is sent as UTF-8.
        status: 200 to 599.
        headers: names and values, a mapping or pairs.
        content_type: by default text/plain for text, application/octet-stream for bytes.

    Raises:
        ValueError: the status, a name or a value is not one (RFC 9110, sections 5 and 15).

    >>> Response("hello").head()
    b'HTTP/1.1 200 OK\\r\\ncontent-type: text/plain; charset=utf-8\\r\\n'
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes | str = b"",
        status: int = 200,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        content_type: str | None = None,
    ) -> None:
        if not 200 <= status <= 599:
            raise ValueError(f"a final status is 200 to 599, got {status}")
        if isinstance(body, str):
            content_type = content_type or "text/plain; charset=utf-8"
            body = body.encode()
        self.body = body
        self.status = status
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        self.headers: list[tuple[str, str]] = list(pairs)
        if not any(name.lower() == "content-type" for name, _ in self.headers) and (
            body or content_type
        ):
            self.headers.insert(0, ("content-type", content_type or "application/octet-stream"))

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Response:
        """A JSON response.

        >>> Response.json({"a": 1}).body
        b'{"a":1}'
        """
        return cls(msgspec.json.encode(value), status, content_type="application/json")

    def head(self) -> bytes:
        """The status line and the fields, checked, without the empty line that ends them."""
        return head_bytes(self.status, self.headers)

    def __repr__(self) -> str:
        return f"<Response {self.status} {len(self.body)} bytes>"


def head_bytes(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    """A status line and fields as they go on the wire: the one place where they are checked."""
    parts = [b"HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, b"Unknown"))]
    for name, value in fields:
        raw_name = name.encode("latin-1")
        raw_value = value.strip(" \t").encode("latin-1")
        if not _TOKEN.fullmatch(raw_name):
            raise ValueError(f"not a header name: {name!r}")
        if not _VALUE.fullmatch(raw_value):
            raise ValueError(f"control characters in the value of {name}: {value!r}")
        if raw_name.lower() in (b"content-length", b"transfer-encoding"):
            raise ValueError(f"{name} is written by the server")
        parts.append(b"%s: %s\r\n" % (raw_name, raw_value))
    return b"".join(parts)


class HTTPError(Exception):
    """Raised by a handler to answer with an error status.

    Args:
        status: 400 to 599.
        message: the body, one plain line; the status's own words where left out.
        headers: further fields.
    """

    def __init__(
        self, status: int, message: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        phrase = REASONS.get(status, b"Unknown").decode()
        super().__init__(status, message or phrase)
        self.status = status
        self.message = message or phrase
        self.headers = headers

    def response(self) -> Response:
        """The response that says so."""
        return Response(self.message + "\n", self.status, headers=self.headers)
