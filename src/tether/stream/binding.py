"""Binding: from an address to sockets that listen, or to one error that says what to do.

Knows addresses and socket options; what comes in is the listener's business.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tether.errors import LocalError
from tether.stream.address import format_address, parse_address
from tether.stream.inherited import FORMS, inherited

#: How often a port of the system's choice is tried that has to be free in both families.
TRIES = 20
#: What says that this machine has no such family, or none switched on.
_ABSENT = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class Bound:
    """A listening socket, with the file that it made, if any.

    Args:
        listening: the socket.
        path: of the Unix socket's file, where it is ours to remove.
    """

    def __init__(self, listening: socket.socket, path: str = "") -> None:
        self.socket = listening
        self.address = format_address(listening.family, listening.getsockname())
        self.is_tcp = listening.family != socket.AF_UNIX
        self._path = path
        self._file = _identity(path) if path else None

    def close(self) -> None:
        """Close the socket, and remove its file, unless another took its place."""
        self.socket.close()
        if self._file is not None and _identity(self._path) == self._file:
            with contextlib.suppress(OSError):
                Path(self._path).unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to bind, for all addresses alike; `listen` says what each is."""

    backlog: int = 1024
    reuse_port: bool = False
    v6only: bool = False
    mode: int | None = None
    nodelay: bool = True
    keepalive: float | None = None
    defer_accept: float | None = None

    def check(self) -> None:
        """Look at the values before anything is bound. Raises `ValueError`."""
        if self.backlog < 1:
            raise ValueError(f"backlog is 1 or more, got {self.backlog}")
        if self.mode is not None and not 0 <= self.mode <= 0o777:
            raise ValueError(f"mode is a number from 0 to 0o777, got {self.mode:#o}")
        for name in ("keepalive", "defer_accept"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 32767:
                raise ValueError(f"{name} is 1 to 32767 seconds, or None, got {value}")

    def apply(self, listening: socket.socket) -> None:
        """Set what accepted sockets inherit from the listening one."""
        if listening.family == socket.AF_UNIX:
            return
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self.nodelay)
        if self.keepalive is not None:
            probe = max(1, round(self.keepalive / 3))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            listening.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(self.keepalive))
            )
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, probe)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        if self.defer_accept is not None:
            listening.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, max(1, round(self.defer_accept))
            )


def bind(addresses: str | Iterable[str], **options: Any) -> list[Bound]:
    """Listening, non-blocking sockets for one address or several; all of them, or none.

    Args:
        addresses: as `listen` takes them.
        options: the fields of `Options`.

    Raises:
        LocalError: an address is taken, not ours, or not permitted; with the errno.
        ValueError: an address or an option cannot be read.
    """
    chosen = Options(**options)
    chosen.check()
    bound: list[Bound] = []
    try:
        for address in [addresses] if isinstance(addresses, str) else addresses:
            bound += _bind(address, chosen)
        if not bound:
            raise ValueError("there is no address to listen on")
    except BaseException:
        for one in bound:
            one.close()
        raise
    return bound


def _bind(address: str, options: Options) -> list[Bound]:
    if address.startswith(FORMS):
        sockets = inherited(address)
        for one in sockets:
            options.apply(one)
        return [Bound(one) for one in sockets]
    kind, where = parse_address(address, every_host=True)
    try:
        if kind == socket.AF_UNIX:
            return [_bind_unix(where, options)]
        return [Bound(one) for one in _bind_tcp(where, options)]
    except socket.gaierror as error:
        raise LocalError(str(error.strerror).lower(), phase="listen", peer=address) from error
    except OSError as error:
        raise LocalError(
            _advice(kind, where, error), phase="listen", errno=error.errno, peer=address
        ) from error


def _bind_unix(where: str, options: Options) -> Bound:
    path = "" if where.startswith("\0") else str(Path(where).absolute())
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        if path:
            remove_stale(path)
        listening.bind(where)
        bound = Bound(listening, path)
    except BaseException:
        listening.close()
        raise
    try:
        if path and options.mode is not None:
            # Nobody can connect before it listens: there is no moment with other permissions.
            Path(path).chmod(options.mode)
        listening.listen(options.backlog)
    except BaseException:
        bound.close()
        raise
    return bound


def remove_stale(path: str) -> None:
    """Remove a Unix socket's file that nobody listens on any more."""
    before = _identity(path)
    if before is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog is an answer too: somebody listens
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            if _identity(path) == before:
                Path(path).unlink()
        except OSError:
            pass


def _identity(path: str) -> tuple[int, int] | None:
    # Which socket's file it is; None where it is none.
    try:
        found = Path(path).lstat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


@dataclass(frozen=True, slots=True)
class _Target:
    # One socket that an address asks for. An optional one may be a family that is not there.
    family: int
    where: Any
    v6only: bool = True
    is_optional: bool = False


def _targets(host: str, port: int, options: Options) -> list[list[_Target]]:
    # What to bind, as alternatives: the first that this machine can.
    every = _Target(socket.AF_INET, ("0.0.0.0", port))
    if not host and not options.v6only:
        return [[_Target(socket.AF_INET6, ("::", port), v6only=False)], [every]]
    if not host:
        return [[every, _Target(socket.AF_INET6, ("::", port), is_optional=True)]]
    if host.lower().rstrip(".") == "localhost":
        # RFC 6761, section 6.3: it is always the loopback, whatever a resolver thinks.
        return [
            [
                _Target(socket.AF_INET, ("127.0.0.1", port), is_optional=True),
                _Target(socket.AF_INET6, ("::1", port), is_optional=True),
            ]
        ]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    wanted = dict.fromkeys((family, where) for family, _, _, _, where in found)
    return [
        [
            _Target(family, where, v6only=options.v6only or where[0] != "::")
            for family, where in wanted
        ]
    ]


def _bind_tcp(where: tuple[str, int], options: Options) -> list[socket.socket]:
    host, port = where
    alternatives = _targets(host, port, options)
    for number, targets in enumerate(alternatives, 1):
        try:
            return _bind_together(targets, port, options)
        except OSError as error:
            if number == len(alternatives) or error.errno not in _ABSENT:
                raise
    raise AssertionError("there is always one alternative")


def _bind_together(targets: list[_Target], port: int, options: Options) -> list[socket.socket]:
    # All with the same port, where the system chooses one too.
    with contextlib.ExitStack() as given_up:
        for tries_left in reversed(range(TRIES)):
            try:
                return _bind_with_one_port(targets, port, options, given_up)
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE or not tries_left:
                    raise
    raise AssertionError("the last try returns or raises")


def _bind_with_one_port(
    targets: list[_Target], port: int, options: Options, given_up: contextlib.ExitStack
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    with contextlib.ExitStack() as failed:
        for target in targets:
            where = (target.where[0], port, *target.where[2:])
            try:
                one = failed.enter_context(_bind_one(target, where, options))
            except OSError as error:
                if target.is_optional and error.errno in _ABSENT:
                    absent = error
                    continue
                # Kept until a port is found: the system would offer the same one again.
                given_up.push(failed.pop_all())
                raise
            sockets.append(one)
            port = one.getsockname()[1]
        failed.pop_all()
    if not sockets and absent is not None:
        raise absent
    return sockets


def _bind_one(target: _Target, where: Any, options: Options) -> socket.socket:
    listening = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        if target.family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, target.v6only)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if options.reuse_port:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        options.apply(listening)
        listening.bind(where)
        listening.listen(options.backlog)
    except BaseException:
        listening.close()
        raise
    return listening


def _advice(kind: int, where: Any, error: OSError) -> str:
    # What happened, and what to do about it.
    number = error.errno
    what = (error.strerror or str(error)).lower()
    if kind == socket.AF_UNIX:
        directory = Path(where).parent
        todo = {
            errno.EADDRINUSE: "another program listens there, or the file is no socket",
            errno.EACCES: f"{directory} has to be writable for this user",
            errno.ENOENT: f"make the directory {directory} first",
            None: "a socket's path has 107 bytes at most; choose a shorter one",
        }.get(number)
        return f"{what}: {todo}" if todo else what
    port = where[1]
    todo = {
        errno.EADDRINUSE: f"something listens on port {port} already; stop it, or take another "
        "port (0 is any free one)",
        errno.EADDRNOTAVAIL: "no interface of this machine has that address "
        '(":PORT" takes all that it has)',
        errno.EAFNOSUPPORT: "this machine does not have that kind of address",
    }.get(number or 0)
    if number == errno.EACCES and 0 < port < 1024:
        todo = (
            "ports below 1024 need root, CAP_NET_BIND_SERVICE or a lower "
            "net.ipv4.ip_unprivileged_port_start; or take a higher one"
        )
    return f"{what}: {todo}" if todo else what
