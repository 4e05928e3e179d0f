"""Listening sockets that somebody else made: "fd:3", and systemd's socket activation.

Knows descriptors and the variables that systemd sets; nothing of what comes in.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat

from tether.errors import LocalError

#: The first descriptor that systemd hands over (sd_listen_fds(3)).
FIRST = 3
FORMS = ("fd:", "systemd:")
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def inherited(address: str) -> list[socket.socket]:
    """Copies of the sockets that "fd:NUMBER", "systemd:" (all) or "systemd:NAME" means.

    A copy, since the descriptor stays with whoever it belongs to; both are closed on exec from
    here on, and neither blocks.

    Raises:
        LocalError: it is not open, not a listening stream socket, or nothing was handed over.
        ValueError: the address cannot be read.

    >>> with socket.create_server(("127.0.0.1", 0)) as server:
    ...     [copy] = inherited(f"fd:{server.fileno()}")
    ...     copy.getsockname() == server.getsockname(), copy.close()
    (True, None)
    """
    form, _, rest = address.partition(":")
    if form == "systemd":
        return _copies(address, _handed_over(address, rest))
    if not (rest.isascii() and rest.isdecimal()):
        raise ValueError(f"{address!r}: a descriptor is a number, as in fd:3")
    return _copies(address, [int(rest)])


def _copies(address: str, descriptors: list[int]) -> list[socket.socket]:
    copies: list[socket.socket] = []
    try:
        for descriptor in descriptors:
            copies.append(_copy(address, descriptor))
    except BaseException:
        for copy in copies:
            copy.close()
        raise
    return copies


def _handed_over(address: str, name: str) -> list[int]:
    # The numbers of LISTEN_FDS, or those that have this name in LISTEN_FDNAMES.
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise _refusal(
            address,
            "no sockets were handed over to this process (LISTEN_PID): "
            "start its systemd socket unit, or use systemd-socket-activate",
        )
    text = os.environ.get("LISTEN_FDS", "")
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 20):
        raise _refusal(address, f"LISTEN_FDS is no number of sockets: {text!r}")
    numbers = range(FIRST, FIRST + int(text))
    for number in numbers:
        _close_on_exec(address, number)
    names = os.environ.get("LISTEN_FDNAMES")
    known = ["unknown"] * len(numbers) if names is None else names.split(":")
    if len(known) != len(numbers):
        raise _refusal(address, f"LISTEN_FDNAMES has {len(known)} names for {len(numbers)} sockets")
    found = [number for number, one in zip(numbers, known, strict=True) if name in ("", one)]
    if not found:
        raise _refusal(
            address, f"no socket has that name; there is: {', '.join(sorted(set(known)))}"
        )
    return found


def _close_on_exec(address: str, descriptor: int) -> None:
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFD)
        fcntl.fcntl(descriptor, fcntl.F_SETFD, flags | fcntl.FD_CLOEXEC)
    except (OSError, OverflowError) as error:
        raise _refusal(address, f"descriptor {descriptor} is not open", error) from error


def _copy(address: str, descriptor: int) -> socket.socket:
    _close_on_exec(address, descriptor)
    copy = os.dup(descriptor)
    try:
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            raise _refusal(address, f"descriptor {descriptor} is no socket")
        listening = socket.socket(fileno=copy)
    except BaseException:
        os.close(copy)
        raise
    try:
        if listening.family not in _FAMILIES or listening.type != socket.SOCK_STREAM:
            raise _refusal(address, f"descriptor {descriptor} is no stream socket: {listening!r}")
        if not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise _refusal(address, f"descriptor {descriptor} does not listen")
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _refusal(address: str, reason: str, error: Exception | None = None) -> LocalError:
    return LocalError(reason, phase="listen", errno=getattr(error, "errno", None), peer=address)
