"""`tether serve`: reads the configuration, opens the address, prints the link, runs until told.

It must not know the wire or the page; `tether.hub.server` builds what is served.
"""

from __future__ import annotations

import argparse
import errno
import logging
import resource
from typing import Any, Final

import msgspec

import tether
from tether.cli.failure import CONFIG, NO_PERMISSION, UNAVAILABLE, USAGE, CommandFailed
from tether.config import log
from tether.config.settings import ConfigError, Settings, load
from tether.hub.access import RefusedToListen, check_listen, is_loopback, split_host
from tether.hub.server import build, limits_of

__all__ = ["add_to"]

_log: Final = logging.getLogger("tether.cli")

_DESCRIPTION: Final = """\
Start the device server: a page with live readings and switches, a WebSocket and a REST interface
for programs. It prints the link to open, and stops on Ctrl-C or SIGTERM."""

_EPILOG: Final = """\
examples:
  tether serve                                  this machine only, http://127.0.0.1:8080/
  tether serve --listen 127.0.0.1:0             any free port; the link says which
  tether serve --config tether.toml             devices and limits from a file
  tether serve --listen 0.0.0.0:8080 --insecure everybody on the network may switch everything

exit statuses:
  0   stopped as asked
  2   wrong arguments, or an address that cannot be read
  69  the port is taken, or no interface has the address
  77  not permitted: by the system, or an open address without --insecure
  78  the configuration file is missing or wrong"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="start the device server",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where to listen: host:port, [v6]:port or unix:path; port 0 picks a free one "
        f"(default {Settings().server.listen})",
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file (tether.toml)")
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="let other machines in, without TLS and without asking who they are",
    )
    parser.add_argument("--log-json", action="store_true", help="log as JSON, one object a line")
    parser.add_argument("--verbose", action="store_true", help="log more, for finding faults")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, version: str) -> int:
    """Serve until a signal comes. Raises `CommandFailed`."""
    try:
        settings = _settings(arguments)
        log.setup(
            "debug" if arguments.verbose else settings.log.level,
            json=arguments.log_json or settings.log.json,
        )
        address = settings.server.listen
        check_address(address)
        check_listen([address], insecure=settings.server.insecure)
        app = build(settings, version=version)
    except ConfigError as error:
        raise CommandFailed(str(error), CONFIG) from None
    except RefusedToListen as error:
        raise CommandFailed(str(error), NO_PERMISSION) from None
    raise_descriptor_limit()
    try:
        tether.serve(app, address, on_ready=_announce, **limits_of(settings))
    except OSError as error:
        raise _cannot_listen(address, error) from None
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = load(arguments.config) if arguments.config else Settings()
    server: dict[str, Any] = {}
    if arguments.listen is not None:
        server["listen"] = arguments.listen
    if arguments.insecure:
        server["insecure"] = True
    changed = msgspec.structs.replace(settings.server, **server)
    return msgspec.structs.replace(settings, server=changed)


def check_address(address: str) -> None:
    """Look at an address before anything is started. Raises `CommandFailed`.

    >>> check_address("[::1]:8080")
    >>> check_address("localhost:0x1f")
    Traceback (most recent call last):
    ...
    tether.cli.failure.CommandFailed: address 'localhost:0x1f': the port is a number from 0 to 65535
    """
    problem = ""
    if address.startswith("unix:"):
        problem = "" if address != "unix:" else "the path is missing"
    else:
        host, colon, port = address.rpartition(":")
        if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
            problem = "expected HOST:PORT, [V6]:PORT or unix:PATH"
        elif not (port.isascii() and port.isdigit() and int(port) <= 65535):
            problem = "the port is a number from 0 to 65535"
        elif not host:
            problem = "the host is missing; 127.0.0.1 is this machine, 0.0.0.0 every interface"
    if problem:
        raise CommandFailed(f"address {address!r}: {problem}", USAGE)


def raise_descriptor_limit() -> None:
    """Allow as many open connections as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        # Some systems report an unlimited hard limit that they then do not grant.
        _log.debug("descriptor limit stays", extra={"limit": soft, "why": str(error)})


def _announce(server: tether.Server) -> None:
    link = server.url if server.address.startswith("unix:") else f"{server.url}/"
    # Flushed: whoever started it through a pipe waits for this line.
    print(f"Device server on {link}", flush=True)
    host = split_host(server.address)[0]
    if not server.address.startswith("unix:") and not is_loopback(host):
        _log.warning("open to everybody who reaches it", extra={"address": server.address})


def _cannot_listen(address: str, error: OSError) -> CommandFailed:
    number = error.errno
    if number == errno.EADDRINUSE:
        return CommandFailed(
            f"cannot listen on {address}: another program has that port "
            "(--listen 127.0.0.1:0 takes a free one)",
            UNAVAILABLE,
        )
    if number in (errno.EACCES, errno.EPERM):
        return CommandFailed(
            f"cannot listen on {address}: not permitted; ports below 1024 need a privilege, "
            "a higher one does not",
            NO_PERMISSION,
        )
    if number == errno.EADDRNOTAVAIL:
        return CommandFailed(
            f"cannot listen on {address}: no interface of this machine has that address",
            UNAVAILABLE,
        )
    return CommandFailed(f"cannot listen on {address}: {error}", UNAVAILABLE)
