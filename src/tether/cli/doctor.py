"""`tether doctor`: tries a connection phase by phase and says what is wrong, and where.

Knows arguments and exit statuses; `tether.stream.diagnosis` does the work, `doctor_report.py` shows
it, `doctor_advice.py` finds the words.
"""

from __future__ import annotations

import argparse
import math
import re
import socket
from ssl import create_default_context
from typing import Any, Final
from urllib.parse import urlsplit

import tether
from tether.cli import doctor_report
from tether.cli.doctor_report import Run, Target
from tether.cli.failure import USAGE, CommandFailed
from tether.errors import ProtocolError
from tether.http.first_reply import ReplyHead, first_reply
from tether.stream.address import format_address, literal, parse_address
from tether.stream.diagnosis import Diagnosing
from tether.stream.proxy import Proxy, parse_proxy
from tether.stream.stream import Stream
from tether.stream.tls_facts import TLSWanted

__all__ = ["STATUSES", "add_to"]

#: The exit status of each phase that may fail.
STATUSES: Final = {"resolve": 3, "connect": 4, "tunnel": 5, "tls": 6, "head": 7, "upgrade": 8}

#: The port of each scheme that is understood.
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_DESCRIPTION: Final = """\
Connect to a server the way tether.connect does, one phase after another, and say what works, what
does not, and what to do about it. Every address of the name is tried, each on its own."""

_EPILOG: Final = """\
examples:
  tether doctor example.com:443 --tls            name, addresses, TLS and certificate
  tether doctor https://example.com/health       the same, and the head of the reply
  tether doctor wss://example.com/ws             the same, and whether it opens a WebSocket
  tether doctor db.internal:5432 --resolver dns  ask the name servers directly: who says what
  tether doctor example.com:443 --proxy http://user:password@proxy:3128

exit statuses:
  0  it works
  2  wrong arguments
  3  resolve: the name has no address, or nobody said so in time
  4  connect: no address answers
  5  tunnel: the proxy does not lead there
  6  tls: the handshake fails, or the certificate is refused
  7  head: no HTTP reply (any reply counts, whatever its status)
  8  upgrade: no WebSocket is opened"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="say why a connection fails, or that it works",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="host:port, [v6]:port, unix:path, or a URL: http, https, ws, wss",
    )
    parser.add_argument("--tls", action="store_true", help="speak TLS (a URL says so by itself)")
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="accept every certificate, and say what is wrong with it all the same",
    )
    parser.add_argument(
        "--alpn", metavar="NAMES", help="protocols to offer in TLS, such as h2,http/1.1"
    )
    parser.add_argument(
        "--resolver",
        metavar="WHO",
        default="system",
        help="who finds the addresses: system, dns (the name servers of /etc/resolv.conf, without "
        "the system's resolver) or the addresses of name servers, with commas (default system)",
    )
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help="go through it: http, https or socks5://user:password@host:port",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=10.0,
        help="for all of it, each time (default 10)",
    )
    parser.add_argument(
        "--repeat", metavar="N", type=_count, default=1, help="try so often (default 1)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, version: str) -> int:
    """Diagnose, print, and return the status of the phase that failed. Raises `CommandFailed`."""
    try:
        target = _target(arguments.target, is_tls=arguments.tls)
        proxy = None if arguments.proxy is None else parse_proxy(arguments.proxy)
        resolver = _resolver(arguments.resolver)
        tls = _tls(arguments, target)
    except ImportError as error:
        raise CommandFailed(f"--resolver {arguments.resolver}: {error}", USAGE) from None
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None
    if proxy is not None and target.address.startswith("unix:"):
        raise CommandFailed("a Unix socket is reached without a proxy", USAGE)
    target.proxy = "" if proxy is None else f"{proxy.scheme}://{proxy.address}"
    target.resolver = arguments.resolver
    target.timeout = arguments.timeout
    runs = tether.run(_runs(arguments, target, proxy, resolver, tls))
    failed = next((one.diagnosis for one in runs if one.diagnosis.error is not None), None)
    phase = "" if failed is None else failed.phases[-1].name
    status = STATUSES[phase] if phase else 0
    doctor_report.show(target, runs, status, phase, as_json=arguments.json)
    return status


async def _runs(
    arguments: argparse.Namespace,
    target: Target,
    proxy: Proxy | None,
    resolver: tether.Resolver,
    tls: TLSWanted | None,
) -> list[Run]:
    done = []
    for _ in range(arguments.repeat):
        replies: list[ReplyHead] = []

        async def ask(stream: Stream, seconds: float, replies: list[ReplyHead] = replies) -> None:
            reply = await first_reply(
                stream,
                target.host_field,
                target.path,
                is_upgrade=target.phase == "upgrade",
                timeout=seconds,
            )
            replies.append(reply)
            if target.phase == "upgrade" and reply.status != 101:
                raise ProtocolError(
                    f"answered {reply.status} {reply.reason}".rstrip(),
                    phase="upgrade",
                    peer=target.address,
                )

        diagnosing = Diagnosing(
            address=target.address,
            tls=tls,
            proxy=proxy,
            proxy_context=create_default_context() if proxy and proxy.scheme == "https" else None,
            resolver=resolver,
            timeout=arguments.timeout,
            last=(target.phase, ask) if target.phase else None,
        )
        diagnosis = await diagnosing.run()
        done.append(Run(diagnosis, replies[0] if replies else None))
    return done


def _target(text: str, *, is_tls: bool) -> Target:
    """What is meant. Raises `ValueError`."""
    scheme, is_url, rest = text.partition("://")
    if not is_url:
        family, where = parse_address(text)
        if family == socket.AF_UNIX:
            if is_tls:
                raise ValueError("TLS over a Unix socket has no name to check: leave out --tls")
            return Target(text, text, "", False)
        return Target(text, format_address(family, where), where[0], is_tls)
    scheme = scheme.lower()
    if scheme not in _PORTS:
        raise ValueError(f"a URL is http, https, ws or wss, not {scheme!r}")
    if re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError("the URL has characters that no URL has")
    parts = urlsplit(text)
    if parts.username is not None:
        raise ValueError("credentials in the URL would not be sent: leave them out")
    if not parts.hostname:
        raise ValueError(f"{scheme}://{rest} names no host")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    port = _PORTS[scheme] if parts.port is None else parts.port
    address = format_address(literal(host) or socket.AF_INET, (host, port))
    parse_address(address)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise ValueError("path and query of the URL have to be percent-encoded")
    return Target(
        text,
        address,
        host,
        is_tls or scheme in ("https", "wss"),
        phase="upgrade" if scheme in ("ws", "wss") else "head",
        path=path,
        host_field=address.removesuffix(f":{_PORTS[scheme]}"),
    )


def _tls(arguments: argparse.Namespace, target: Target) -> TLSWanted | None:
    if not target.is_tls:
        if arguments.no_verify or arguments.alpn:
            raise ValueError("--no-verify and --alpn are for TLS: add --tls, or give an https URL")
        return None
    names = arguments.alpn.split(",") if arguments.alpn else ["http/1.1"] if target.phase else []
    if not all(0 < len(name) < 256 and name.isascii() for name in names):
        raise ValueError("--alpn takes names of 1 to 255 bytes, with commas between them")
    host = target.host.removesuffix(".")
    if literal(host) is not None:
        host = host.partition("%")[0]
    elif not host.isascii():
        host = host.encode("idna").decode()
    return TLSWanted(hostname=host, verify=not arguments.no_verify, alpn=tuple(names))


def _resolver(who: str) -> tether.Resolver:
    # Nothing is kept: each time it is asked anew.
    if who == "system":
        return tether.Resolver(cache=0)
    if who == "dns":
        return tether.DNSResolver(cache=0)
    return tether.DNSResolver(who.split(","), cache=0)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10_000:
        raise argparse.ArgumentTypeError("a number from 1 to 10000")
    return value
