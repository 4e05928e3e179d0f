"""A server's certificate, which can be replaced while it serves.

Knows files and `ssl` contexts; who shakes hands with them is the listener's business.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tether.engine.members import Timer
from tether.engine.scope import Scope, current_scope
from tether.errors import LocalError

_log = logging.getLogger("tether")
_Path = str | os.PathLike[str]
#: What OpenSSL says, as it is meant.
_MEANINGS = {
    "KEY_VALUES_MISMATCH": "the key is another certificate's",
    "BAD_DECRYPT": "the password of the key is wrong",
    "NO_CERTIFICATE_OR_CRL_FOUND": "a file has no certificate in PEM form",
    "PEM lib": "a file has no certificate or no key in PEM form, or the password is wrong",
}


class Certificates:
    """A certificate and its key, for `listen(..., ssl=...)`. `reload` reads them anew.

    Each handshake takes what was loaded last; connections that are open go on with theirs.
    Sessions (tickets) of before a reload are not resumed: those clients shake hands in full.

    Args:
        certificate: PEM file with the certificate and the chain above it.
        key: PEM file with its key; None where it is in the same file.
        password: of the key, where it is encrypted. Nobody is ever asked for it.
        client_authority: PEM file with those who sign clients' certificates: then each client
            has to show one.
        alpn: protocols for ALPN (RFC 7301), the preferred one first.
        configure: called with each new context, before it is used, for what else there is to set.

    Raises:
        LocalError: a file cannot be read, or they do not fit together; `__cause__` says why.

    >>> Certificates("missing.pem")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    tether.errors.LocalError: tls failed: certificate missing.pem: no such file or directory: ...
    """

    def __init__(
        self,
        certificate: _Path,
        key: _Path | None = None,
        *,
        password: str | bytes | None = None,
        client_authority: _Path | None = None,
        alpn: Sequence[str] = (),
        configure: Callable[[ssl.SSLContext], object] | None = None,
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._files = [
            Path(path) for path in (certificate, key, client_authority) if path is not None
        ]
        self._password = password
        self._client_authority = client_authority
        self._alpn = list(alpn)
        self._configure = configure
        self._reloading = threading.Lock()
        self._reloads = 0
        self._complained: object = None  # which state of the files it was that did not fit
        self._seen = self._look()
        try:
            self._new_context = self._load()
        except Exception as error:
            raise self._failure(error, "") from error

    @property
    def context(self) -> ssl.SSLContext:
        """What the next handshake takes."""
        return self._new_context

    @property
    def reloads(self) -> int:
        """How often other files were taken since the first."""
        return self._reloads

    def reload(self) -> None:
        """Read the files anew. From any thread.

        Raises:
            LocalError: a file cannot be read, or they do not fit together; what was in use stays.
        """
        with self._reloading:
            seen = self._look()
            try:
                self._new_context = self._load()
            except Exception as error:
                raise self._failure(error, "; the one in use stays") from error
            self._seen = seen
            self._reloads += 1
        _log.info("certificate %s is loaded anew", self._certificate)

    def watch(self, owner: Scope | None = None, *, every: float = 10.0) -> Timer:
        """Look at the files every so many seconds, and reload when they changed.

        Files that do not fit (the key follows in a moment) are tried again each time; the failure
        is logged once.

        Args:
            owner: the scope that owns the timer; the default is that of the running handler, else
                the root. `cancel()` of the timer ends it too.
            every: seconds between two looks (default 10).
        """
        if owner is None:
            root: Scope = asyncio.get_running_loop().scope  # type: ignore[attr-defined]
            owner = current_scope.get(None) or root
        return owner.every(every, self._reload_if_changed)

    def _reload_if_changed(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        try:
            self.reload()
        except LocalError as error:
            if seen != self._complained:
                _log.error("%s", error)
            self._complained = seen

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_signature(path) for path in self._files]

    def _load(self) -> ssl.SSLContext:
        # A context of its own each time: a load that fails half-way leaves the old one whole.
        for path in self._files:
            with path.open("rb"):  # `ssl` does not say which file it is that it cannot read
                pass
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key, password=self._ask)
        if self._client_authority is not None:
            context.load_verify_locations(self._client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        if self._configure is not None:
            self._configure(context)
        return context

    def _ask(self) -> str | bytes:
        # OpenSSL would ask at the terminal, and hold up the loop.
        if self._password is None:
            raise ValueError("the key is encrypted, and there is no password")
        return self._password

    def _failure(self, error: Exception, rest: str) -> LocalError:
        number = None
        if isinstance(error, ssl.SSLError):
            # Python 3.11 to 3.13 name the same failure differently.
            why = next((said for name, said in _MEANINGS.items() if name in str(error)), str(error))
        elif isinstance(error, OSError):
            number = error.errno
            why = f"{(error.strerror or str(error)).lower()}: {error.filename}"
        else:
            why = str(error)
        return LocalError(
            f"certificate {os.fspath(self._certificate)}: {why}{rest}", phase="tls", errno=number
        )


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
