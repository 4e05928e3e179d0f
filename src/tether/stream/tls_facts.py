"""What is to be known of a server's TLS: what was agreed on, and what its certificate is worth.

Knows `ssl` and certificates, no stream. Three contexts find out what one alone cannot: OpenSSL
stops at the first thing that it refuses.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tether.errors import CertificateError, NetworkError
from tether.stream.certificate import Certificate, parse_certificate

#: OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name.
NO_CHECK_TIME = 0x200000


@dataclass(frozen=True, kw_only=True, slots=True)
class TLSWanted:
    """How to speak TLS.

    Args:
        hostname: whom the certificate has to be for.
        verify: False accepts every certificate.
        alpn: the protocols to offer, the preferred one first.
    """

    hostname: str
    verify: bool = True
    alpn: tuple[str, ...] = ()

    def context(self) -> ssl.SSLContext:
        """For the connection itself."""
        return self.offered(ssl.create_default_context()) if self.verify else self.lenient()

    def lenient(self) -> ssl.SSLContext:
        """That accepts everything: the certificate can be read then."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return self.offered(context)

    def signatures(self) -> ssl.SSLContext:
        """That looks at who signed, and neither at dates nor at names."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_flags |= NO_CHECK_TIME
        return self.offered(context)

    def offered(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """The context, with the protocols to offer."""
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        return context


@dataclass(slots=True)
class TLSFacts:
    """What was agreed on, and the certificate.

    Args:
        is_accepted: whether the connection accepted it.
        is_trusted: whether somebody we trust signed it; None where that could not be asked.
        problems: what is wrong with it as (what: "chain", "dates" or "name"; in words), also
            where it was accepted.
    """

    version: str
    cipher: str
    alpn: str | None
    is_accepted: bool
    is_trusted: bool | None
    certificate: Certificate | None = None
    days_left: int | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)


def facts_of(
    tls: ssl.SSLObject, hostname: str, *, chain: NetworkError | None, is_accepted: bool
) -> TLSFacts:
    """The facts of a session.

    Args:
        tls: whose handshake is over.
        hostname: whom the certificate should be for.
        chain: why a context that looks at signatures alone refused, None where it did not.
        is_accepted: whether the connection that was asked for accepted the certificate.
    """
    cipher = tls.cipher()
    is_trusted = chain is None
    facts = TLSFacts(
        version=tls.version() or "",
        cipher="" if cipher is None else cipher[0],
        alpn=tls.selected_alpn_protocol(),
        is_accepted=is_accepted,
        is_trusted=is_trusted if is_trusted or isinstance(chain, CertificateError) else None,
    )
    if isinstance(chain, CertificateError):
        facts.problems.append(("chain", chain.verify_message or chain.reason))
    elif chain is not None:
        facts.problems.append(("chain", f"could not be looked at: {chain.reason}"))
    try:
        certificate = parse_certificate(tls.getpeercert(binary_form=True) or b"")
    except ValueError as error:
        facts.problems.append(("chain", str(error)))
        return facts
    now = datetime.now(UTC)
    facts.certificate = certificate
    facts.days_left = certificate.days_left(now)
    if now > certificate.not_after:
        facts.problems.append(("dates", f"expired on {certificate.not_after:%Y-%m-%d}"))
    elif now < certificate.not_before:
        facts.problems.append(("dates", f"valid from {certificate.not_before:%Y-%m-%d} only"))
    if not certificate.is_for(hostname):
        facts.problems.append(("name", f"not for {hostname}"))
    return facts
