"""One sentence that says what is wrong with a connection, and what to do about it, in plain words.

Knows failures and their meaning for people; it tries nothing and prints nothing.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from tether.errors import (
    CertificateError,
    ConnectionClosed,
    ConnectionRefused,
    ConnectTimeout,
    LocalError,
    NetworkError,
    ProtocolError,
    ReadTimeout,
    ResolveError,
    ResolveTimeout,
    SocketForbidden,
    SocketMissing,
    TLSAlert,
    TLSError,
    TunnelError,
    Unreachable,
    duration,
)

if TYPE_CHECKING:
    from tether.cli.doctor_report import Target
    from tether.http.first_reply import ReplyHead
    from tether.stream.diagnosis import Diagnosis

#: A certificate that expires in so many days is told of.
SOON = 14

_ROUTES = {
    errno.ENETUNREACH: "this machine has no route to it: is the network up, and is IPv{} used?",
    errno.EHOSTUNREACH: "a router, or this machine, says that it cannot be reached: is it on?",
    errno.EACCES: "a rule of this machine, or a firewall's, forbids it",
    errno.EPERM: "a rule of this machine forbids it",
    errno.EINVAL: "a route of this machine throws away what goes there",
}


def sentence(target: Target, found: Diagnosis, reply: ReplyHead | None) -> str:
    """What to tell about one run."""
    error = found.error
    if error is None:
        return _well(target, found, reply)
    phase = found.phases[-1]
    if isinstance(error, LocalError):
        return (
            f"This machine itself is in the way: {error.reason}. Close what it has open, raise the "
            "limit (ulimit -n), or choose another local address."
        )
    host = target.host
    way = target.address
    if phase.of_proxy or (target.proxy and phase.name in ("resolve", "connect")):
        way = target.proxy.partition("://")[2]
        host = way.rpartition(":")[0]
        way = f"the proxy {way}"
    if phase.name == "resolve":
        return _name(host, target, error)
    if phase.name == "connect":
        return _connection(way, target, error, len(found.addresses))
    if phase.name == "tunnel":
        return _tunnel(target, error)
    if isinstance(error, TLSError) or phase.name == "tls":
        return _tls(way, target, found, error)
    return _reply(target, error, phase.name)


def _well(target: Target, found: Diagnosis, reply: ReplyHead | None) -> str:
    text = f"It works: {target.address} "
    if reply is None:
        text += "speaks TLS." if found.tls is not None else "accepts connections."
    elif target.phase == "upgrade":
        text += "opens a WebSocket."
    else:
        text += f"answers, with status {reply.status}."
    if reply is not None and reply.status >= 500:
        text += " That status is the server's own failure: its log says more."
    failed = [one for one in found.addresses if one.error is not None]
    if failed:
        named = ", ".join(one.address for one in failed)
        text += (
            f" But {len(failed)} of {len(found.addresses)} addresses of the name fail ({named}): "
            "whoever tries one of them first loses time, so mend it or take it out of the name."
        )
    if found.tls is not None and found.tls.problems:
        text += (
            f" But its certificate would have been refused without --no-verify: {_wrong(found)}."
        )
    elif found.tls is not None and found.tls.days_left is not None and found.tls.days_left <= SOON:
        text += f" But its certificate expires in {found.tls.days_left} days: renew it."
    return text


def _name(host: str, target: Target, error: NetworkError) -> str:
    if isinstance(error, ResolveTimeout):
        return (
            f"No name server answered about {host} within {duration(target.timeout)}: see whether "
            "those in /etc/resolv.conf can be reached, or ask another one with --resolver ADDRESS."
        )
    if isinstance(error, ResolveError) and error.errno == socket.EAI_NONAME:
        return (
            f"There is no host of the name {host}: look for a spelling mistake, or a name that "
            "only another network knows (--resolver ADDRESS asks another name server)."
        )
    if isinstance(error, ResolveError) and error.errno == socket.EAI_NODATA:
        return f"The name {host} exists, but has no address: its A and AAAA records are missing."
    more = (
        "" if target.resolver != "system" else " --resolver dns shows which one, and what it says."
    )
    return (
        f"The name servers failed at {host}, which says nothing about the name: try again, and if "
        f"it stays so, tell who runs them.{more}"
    )


def _connection(way: str, target: Target, error: NetworkError, count: int) -> str:
    none = "" if count < 2 else f" None of its {count} addresses answers."
    if isinstance(error, ConnectionRefused):
        return (
            f"Nothing listens on {way}, though the machine is there: start the server, look at "
            f"its port, or at a firewall that rejects.{none}"
        )
    if isinstance(error, ConnectTimeout):
        return (
            f"{_upper(way)} did not answer within {duration(target.timeout)}: the machine is off, "
            f"a firewall drops what goes there, or the server accepts nobody any more.{none}"
        )
    if isinstance(error, Unreachable):
        why = _ROUTES.get(error.errno or 0, "there is no way there")
        return f"There is no way to {way}: {why.format(6 if ':' in error.address else 4)}.{none}"
    if isinstance(error, SocketMissing):
        return f"There is no socket {way}: the server does not run, or listens elsewhere."
    if isinstance(error, SocketForbidden):
        return f"You have no permission for {way}: look at the rights of the file and its folders."
    return f"Connecting to {way} failed: {error.reason}.{none}"


def _tunnel(target: Target, error: NetworkError) -> str:
    proxy = f"The proxy {target.proxy}"
    if isinstance(error, TunnelError) and (error.status == 407 or "password" in error.reason):
        return (
            f"{proxy} wants to know who asks: give a user and a password that it knows, as in "
            f"--proxy {target.proxy.partition('://')[0]}://user:password@host:port."
        )
    if isinstance(error, TunnelError):
        return (
            f"{proxy} works, but does not lead to {target.address}: {error.reason}. Its rules "
            "forbid it, or it cannot reach it either."
        )
    if isinstance(error, ConnectTimeout):
        return f"{proxy} accepts connections, but did not answer in time: it hangs, or is none."
    if isinstance(error, ProtocolError):
        return f"What answers at {target.proxy} is no such proxy: {error.reason}."
    return f"{proxy} hung up instead of answering: it is overloaded, or of another kind."


def _tls(way: str, target: Target, found: Diagnosis, error: NetworkError) -> str:
    if isinstance(error, CertificateError):
        wrong = _wrong(found) if found.tls is not None and found.tls.problems else error.reason
        return (
            f"{_upper(way)} speaks TLS, but its certificate is not to be trusted: {wrong}. Have "
            "the server use another certificate, or connect by a name that this one is for."
        )
    if isinstance(error, TLSAlert):
        return (
            f"{_upper(way)} ended the handshake: {error.reason}. It may want a client's "
            "certificate, another name, or another version of TLS; its log says more."
        )
    if isinstance(error, ConnectTimeout):
        return (
            f"{_upper(way)} accepts connections, but said nothing in the TLS handshake: it hangs, "
            "or waits for something else than TLS on this port."
        )
    if "does not speak TLS" in error.reason:
        other = "http:// or ws://" if target.phase else "no --tls"
        return f"{_upper(way)} does not speak TLS on this port: use {other}, or another port."
    return (
        f"The TLS handshake with {way} broke off ({error.reason}): the server, or something on the "
        "way that does not want TLS, hung up."
    )


def _reply(target: Target, error: NetworkError, phase: str) -> str:
    if isinstance(error, ReadTimeout):
        return (
            f"{target.address} accepts connections, but sent no reply in time: the server hangs, "
            "is overloaded, or does not speak HTTP."
        )
    if isinstance(error, ConnectionClosed):
        when = "in the middle of its reply" if error.bytes_received else "instead of replying"
        return (
            f"{target.address} hung up {when}: the server crashed on the request, or does not "
            "want it on this port; its log says more."
        )
    if isinstance(error, ProtocolError) and phase == "upgrade":
        return (
            f"{target.address} speaks HTTP, but opens no WebSocket at {target.path}: it "
            f"{error.reason}. Look at the path, and at what the server wants to see (origin, "
            "credentials)."
        )
    if isinstance(error, ProtocolError) and error.reason.endswith("but TLS"):
        return f"{target.address} speaks TLS on this port: use https:// or wss://."
    return f"What answers at {target.address} does not speak HTTP as it should: {error.reason}."


def _wrong(found: Diagnosis) -> str:
    assert found.tls is not None
    begin = {
        "chain": "nobody that this machine trusts signed it (",
        "dates": "it is ",
        "name": "it is ",
    }
    some = found.tls.certificate
    names = "" if some is None else f" but for {', '.join(some.names[:4]) or 'nobody'}"
    told = []
    for what, text in found.tls.problems:
        end = {"chain": ")", "name": names}.get(what, "")
        told.append(f"{'it ' if text.startswith('expired') else begin[what]}{text}{end}")
    return "; ".join(told)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text
