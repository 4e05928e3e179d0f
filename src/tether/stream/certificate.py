"""What an X.509 certificate says of itself (RFC 5280): who, by whom, for which names, until when.

Reads bytes and judges dates and names. Python's `ssl` tells nothing of a certificate that it did
not verify, and that is when one wants to know. Whom to trust is OpenSSL's business.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tether.stream.address import literal

SEQUENCE, UTC_TIME, BMP_STRING, T61_STRING = 0x30, 0x17, 0x1E, 0x14
EXTENSIONS, DNS_NAME, IP_ADDRESS = 0xA3, 0x82, 0x87
SUBJECT_ALT_NAME = b"\x55\x1d\x11"  # 2.5.29.17
ATTRIBUTES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in words.

    Args:
        subject, issuer: such as "CN=example.com, O=Example".
        names: the DNS names and addresses that it is for.
        not_before, not_after: when it is valid.
        is_self_issued: subject and issuer are the same.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    is_self_issued: bool

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires, negative since when it has."""
        return (self.not_after - now).days

    def is_for(self, name: str) -> bool:
        """Whether it names a host or an address (RFC 9525, section 6.3).

        >>> some = datetime(2030, 1, 1, tzinfo=UTC)
        >>> one = Certificate("", "", ("*.a.test", "::1"), some, some, False)
        >>> [one.is_for(name) for name in ("x.a.test", "a.test", "y.x.a.test", "0:0::1")]
        [True, False, False, True]
        """
        if literal(name) is not None:
            address = ipaddress.ip_address(name.partition("%")[0])
            return any(
                literal(one) is not None and ipaddress.ip_address(one) == address
                for one in self.names
            )
        wanted = name.lower().removesuffix(".")
        first, _, rest = wanted.partition(".")
        wildcard = f"*.{rest}" if first and rest else None
        return any(one.lower().removesuffix(".") in (wanted, wildcard) for one in self.names)


def parse_certificate(der: bytes) -> Certificate:
    """The certificate in these bytes, which are DER.

    Raises:
        ValueError: they are none.
    """
    try:
        return _parse(der)
    except (IndexError, StopIteration, ValueError) as error:
        raise ValueError(f"not an X.509 certificate: {error}") from None


def _parse(der: bytes) -> Certificate:
    [(_, certificate)] = _elements(der)
    _, signed = next(_elements(certificate))
    fields = list(_elements(signed))
    if fields[0][0] == 0xA0:  # the version, left out in the first one
        fields.pop(0)
    _, _, (_, issuer), (_, validity), (_, subject) = fields[:5]
    begins, ends = _elements(validity)
    names: tuple[str, ...] = ()
    for tag, content in fields[6:]:
        if tag == EXTENSIONS:
            names = _alternative_names(content)
    return Certificate(
        _name(subject), _name(issuer), names, _moment(*begins), _moment(*ends), subject == issuer
    )


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    # Tag and content of each element, one after another (X.690, section 8.1).
    place = 0
    while place < len(data):
        tag, size = data[place], data[place + 1]
        place += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(data[place : place + digits])
            place += digits
        if place + size > len(data):
            raise ValueError("it is cut short")
        yield tag, data[place : place + size]
        place += size


def _name(data: bytes) -> str:
    parts = []
    for _, group in _elements(data):
        for _, pair in _elements(group):
            (_, kind), (tag, value) = _elements(pair)
            if kind in ATTRIBUTES:
                parts.append(f"{ATTRIBUTES[kind]}={_text(tag, value)}")
    return ", ".join(parts)


def _text(tag: int, value: bytes) -> str:
    coding = {BMP_STRING: "utf-16-be", T61_STRING: "latin-1"}.get(tag, "utf-8")
    return value.decode(coding, errors="replace")


def _moment(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alternative_names(data: bytes) -> tuple[str, ...]:
    [(_, extensions)] = _elements(data)
    found: list[str] = []
    for _, extension in _elements(extensions):
        (_, kind), *_, (_, value) = _elements(extension)
        if kind != SUBJECT_ALT_NAME:
            continue
        [(_, names)] = _elements(value)
        for tag, name in _elements(names):
            if tag == DNS_NAME:
                found.append(name.decode("ascii", errors="replace"))
            elif tag == IP_ADDRESS and len(name) in (4, 16):
                found.append(str(ipaddress.ip_address(name)))
    return tuple(found)
