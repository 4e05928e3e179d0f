"""A certificate authority that these tests made themselves, and what it vouches for.

Knows TLS contexts and files of keys; no connection.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Certificates:
    """A certificate for localhost and 127.0.0.1, and contexts for both sides of a connection.

    Args:
        folder: where its files are written.
    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.chain = folder / "chain.pem"
        """The certificate and the key to it, in one file."""
        issued.private_key_and_cert_chain_pem.write_to_path(self.chain)
        self.authority = folder / "authority.pem"
        """The authority's own certificate, for who is to trust it."""
        authority.cert_pem.write_to_path(self.authority)
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued.configure_cert(self.server)
        self.client = ssl.create_default_context(cafile=self.authority)
