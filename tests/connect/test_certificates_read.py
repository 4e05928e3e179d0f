"""A certificate is read as OpenSSL reads it, and bytes that are none are refused."""

from __future__ import annotations

import datetime
import re
import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as some

from tests.certificates import authority
from tether.stream.certificate import parse_certificate

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def der_of(*names: str, **more: object) -> bytes:
    issued = authority().issue_cert(*names, key_type=trustme.KeyType.ECDSA, **more)  # type: ignore[arg-type]
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def test_who_by_whom_for_what_and_until_when() -> None:
    der = der_of(
        "server.test",
        "*.wild.test",
        "127.0.0.1",
        "::1",
        common_name="Ünïcode",
        organization_name="An organization",
        not_before=NOW - DAY,
        not_after=NOW + 30 * DAY,
    )
    certificate = parse_certificate(der)
    assert "CN=Ünïcode" in certificate.subject
    assert "O=An organization" in certificate.subject
    assert certificate.issuer.startswith("O=trustme")
    assert certificate.names == ("server.test", "*.wild.test", "127.0.0.1", "::1")
    assert certificate.not_before == NOW - DAY
    assert certificate.not_after == NOW + 30 * DAY
    assert certificate.days_left(NOW) == 30
    assert not certificate.is_self_issued
    for name in ("SERVER.test.", "a.wild.test", "127.0.0.1", "0:0:0::1"):
        assert certificate.is_for(name), name
    for name in ("other.test", "wild.test", "a.b.wild.test", "127.0.0.2", "::2", "*.test", ""):
        assert not certificate.is_for(name), name


def test_it_says_what_openssl_says_of_the_authority() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    [told] = context.get_ca_certs()
    [der] = context.get_ca_certs(binary_form=True)
    certificate = parse_certificate(der)
    assert certificate.is_self_issued
    [organization] = re.findall(r"'organizationName', '([^']+)'", str(told["subject"]))
    assert certificate.subject.startswith(f"O={organization}")
    assert certificate.not_after.timestamp() == ssl.cert_time_to_seconds(str(told["notAfter"]))
    assert certificate.not_before.timestamp() == ssl.cert_time_to_seconds(str(told["notBefore"]))


def test_dates_after_2050() -> None:
    end = datetime.datetime(2060, 2, 29, 1, 2, 3, tzinfo=datetime.UTC)
    assert parse_certificate(der_of("a.test", not_after=end)).not_after == end


def test_one_that_is_cut_short_is_none() -> None:
    der = der_of("a.test")
    for size in range(len(der)):
        with pytest.raises(ValueError, match="not an X"):
            parse_certificate(der[:size])


DER = der_of("a.test", "127.0.0.1")


@given(place=some.integers(0, len(DER) - 1), octet=some.integers(0, 255))
def test_whatever_it_says_it_is_read_or_refused(place: int, octet: int) -> None:
    changed = DER[:place] + bytes([octet]) + DER[place + 1 :]
    try:
        parse_certificate(changed)
    except ValueError as error:
        assert "not an X.509 certificate" in str(error)
