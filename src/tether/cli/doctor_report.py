"""What `tether doctor` prints: tables for people, or one JSON object for programs.

Knows what was found out, and how to lay it out; it finds out nothing.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tether.cli import doctor_advice
from tether.errors import Attempt, CertificateError, NetworkError, TunnelError, duration
from tether.http.first_reply import ReplyHead
from tether.stream.address import literal
from tether.stream.diagnosis import AddressResult, Diagnosis, PhaseResult
from tether.stream.tls_facts import TLSFacts

_FAMILIES: Final[dict[int | None, str]] = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}

__all__ = ["Run", "Target", "errno_name", "show"]

_EAI: Final = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}


@dataclass(slots=True)
class Target:
    """What was asked for.

    Args:
        text: as it was typed; `address`: "host:port" or "unix:path"; `host`: the name in it.
        phase: what comes last, "head" or "upgrade"; "" where it is no URL.
        path, host_field: what a request says.
        proxy: the proxy's URL, without credentials; `resolver`: who was asked for names.
        timeout: seconds for each time.
    """

    text: str
    address: str
    host: str
    is_tls: bool
    phase: str = ""
    path: str = "/"
    host_field: str = ""
    proxy: str = ""
    resolver: str = "system"
    timeout: float = 10.0


@dataclass(slots=True)
class Run:
    """What came of one time: the connection, and the reply where one was asked for."""

    diagnosis: Diagnosis
    reply: ReplyHead | None


def show(target: Target, runs: list[Run], status: int, phase: str, *, as_json: bool) -> None:
    """Print it.

    Args:
        status: the exit status; `phase`: the one that failed, "" for none.
    """
    shown = next((one for one in runs if one.diagnosis.error is not None), runs[-1])
    sentence = doctor_advice.sentence(target, shown.diagnosis, shown.reply)
    failures = sum(one.diagnosis.error is not None for one in runs)
    if 0 < failures < len(runs):
        sentence = f"It failed {failures} times out of {len(runs)}. {sentence}"
    if as_json:
        print(json.dumps(_as_json(target, runs, status, phase, sentence), indent=2), flush=True)
        return
    is_coloured = (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
    for line in [*_lines(target, shown), *_repeated(runs), "", _printable(sentence)]:
        print(_coloured(line) if is_coloured else line)
    sys.stdout.flush()


def errno_name(number: int | None) -> str:
    """The name of an errno, or of a resolver's number.

    >>> errno_name(111), errno_name(-2), errno_name(None)
    ('ECONNREFUSED', 'EAI_NONAME', '')
    """
    if number is None:
        return ""
    return errno.errorcode.get(number) or _EAI.get(number) or str(number)


def _lines(target: Target, run: Run) -> list[str]:
    found = run.diagnosis
    title = target.text + (f" through {target.proxy}" if target.proxy else "")
    rows = [("phase", "took", "outcome")]
    rows += [
        (
            one.name + (" (proxy)" if one.of_proxy else ""),
            duration(one.elapsed),
            _failure(one.error) if one.error else _success(one, target, run),
        )
        for one in found.phases
    ]
    lines = [_printable(title), "", *_table(rows)]
    if found.names.attempts:
        rows = [("name server", "took", "outcome")]
        rows += [(one.address, duration(one.elapsed), _said(one)) for one in found.names.attempts]
        lines += ["", *_table(rows)]
    if found.addresses:
        rows = [("address", "took", "outcome")]
        rows += [(one.address, duration(one.elapsed), _reached(one)) for one in found.addresses]
        lines += ["", *_table(rows)]
    if found.tls is not None:
        lines += ["", *_table(_certificate(found.tls))]
    return lines


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    cells = [tuple(map(_printable, row)) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in cells
    ]


def _success(one: PhaseResult, target: Target, run: Run) -> str:
    found = run.diagnosis
    if one.name == "resolve":
        count = len(found.addresses)
        good = "" if found.names.ttl is None else f", good for {found.names.ttl:.0f} s"
        more = "" if found.names.is_complete else ", and no answer about the other family"
        return f"ok: {count} address{'es' * (count > 1)} ({found.names.source}{good}){more}"
    if one.name == "connect" and found.used is not None:
        return f"ok: {found.used.address}, from {found.used.local}"
    if one.name == "tunnel":
        return f"ok: {target.proxy} leads to {target.address}"
    if one.name == "tls" and not one.of_proxy and found.tls is not None:
        alpn = f", ALPN {found.tls.alpn}" if found.tls.alpn else ""
        return f"ok: {found.tls.version}, {found.tls.cipher}{alpn}"
    if run.reply is not None:
        return f"ok: {_reply(run.reply)}"
    return "ok"


def _reply(reply: ReplyHead) -> str:
    server = reply.headers.get("server")
    text = f"HTTP/{reply.version} {reply.status} {reply.reason}".rstrip()
    return text + (f", server: {server}" if server else "")


def _failure(error: NetworkError) -> str:
    name = errno_name(error.errno)
    return f"FAILED: {error.reason}" + (f" [{name}]" if name else "")


def _reached(one: AddressResult) -> str:
    if one.error is not None:
        return _failure(one.error)
    return f"ok: connected, from {one.local}"


def _said(one: Attempt) -> str:
    if isinstance(one.error, NetworkError):
        return _failure(one.error)
    return "ok" if one.error is None else f"FAILED: {one.error}"


def _certificate(facts: TLSFacts) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("certificate", "accepted" if facts.is_accepted else "REFUSED")]
    certificate = facts.certificate
    if certificate is not None:
        days = facts.days_left or 0
        left = f"{days} days left" if days >= 0 else f"expired {-days} days ago"
        rows += [
            ("subject", certificate.subject or "(empty)"),
            ("names", ", ".join(certificate.names) or "(none)"),
            ("issuer", certificate.issuer + (" (itself)" if certificate.is_self_issued else "")),
            (
                "valid",
                f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}, {left}",
            ),
        ]
    rows.append(("trusted", {True: "yes", False: "NO", None: "not known"}[facts.is_trusted]))
    rows += [(f"wrong: {what}", text) for what, text in facts.problems]
    return rows


def _repeated(runs: list[Run]) -> list[str]:
    if len(runs) == 1:
        return []
    rows: list[tuple[str, ...]] = [("phase", "ok", "failed", "shortest", "median", "longest")]
    for key in dict.fromkeys(
        (one.name, one.of_proxy) for run in runs for one in run.diagnosis.phases
    ):
        some = [
            one for run in runs for one in run.diagnosis.phases if (one.name, one.of_proxy) == key
        ]
        times = sorted(one.elapsed for one in some)
        failed = sum(one.error is not None for one in some)
        figures = map(duration, (times[0], statistics.median(times), times[-1]))
        name = key[0] + (" (proxy)" if key[1] else "")
        rows.append((name, str(len(some) - failed), str(failed), *figures))
    return ["", f"{len(runs)} times:", *_table(rows)]


def _as_json(
    target: Target, runs: list[Run], status: int, phase: str, sentence: str
) -> dict[str, Any]:
    return {
        "target": target.text,
        "address": target.address,
        "tls": target.is_tls,
        "proxy": target.proxy or None,
        "resolver": target.resolver,
        "timeout": target.timeout,
        "status": status,
        "failed": phase or None,
        "sentence": sentence,
        "runs": [_run_as_json(one) for one in runs],
    }


def _run_as_json(run: Run) -> dict[str, Any]:
    found, reply = run.diagnosis, run.reply
    return {
        "phases": [
            {
                "phase": one.name,
                "of_proxy": one.of_proxy,
                "seconds": _seconds(one.elapsed),
                "ok": one.error is None,
                "error": _error_as_json(one.error),
            }
            for one in found.phases
        ],
        "names": {
            "source": found.names.source or None,
            "ttl": found.names.ttl,
            "complete": found.names.is_complete,
            "attempts": [
                {
                    "server": one.address,
                    "seconds": _seconds(one.elapsed),
                    "error": _error_as_json(one.error),
                }
                for one in found.names.attempts
            ],
        },
        "addresses": [
            {
                "address": one.address,
                "family": _FAMILIES.get(literal(one.address), "Unix"),
                "seconds": _seconds(one.elapsed),
                "local": one.local or None,
                "used": one is found.used,
                "error": _error_as_json(one.error),
            }
            for one in found.addresses
        ],
        "certificate": None if found.tls is None else _tls_as_json(found.tls),
        "reply": None
        if reply is None
        else {
            "version": reply.version,
            "status": reply.status,
            "reason": reply.reason,
            "server": reply.headers.get("server"),
        },
    }


def _tls_as_json(facts: TLSFacts) -> dict[str, Any]:
    some = facts.certificate
    return {
        "version": facts.version,
        "cipher": facts.cipher,
        "alpn": facts.alpn,
        "accepted": facts.is_accepted,
        "trusted": facts.is_trusted,
        "subject": some and some.subject,
        "names": some and list(some.names),
        "issuer": some and some.issuer,
        "not_before": some and some.not_before.isoformat(),
        "not_after": some and some.not_after.isoformat(),
        "days_left": facts.days_left,
        "problems": [{"what": what, "text": text} for what, text in facts.problems],
    }


def _error_as_json(error: BaseException | None) -> dict[str, Any] | None:
    if error is None:
        return None
    told: dict[str, Any] = {"class": type(error).__name__, "text": str(error)}
    if isinstance(error, NetworkError):
        told |= {
            "reason": error.reason,
            "phase": error.phase,
            "token": error.token,
            "errno": error.errno,
            "errno_name": errno_name(error.errno) or None,
        }
    if isinstance(error, CertificateError):
        told["verify_code"] = error.verify_code
    if isinstance(error, TunnelError):
        told["proxy_status"] = error.status
    return told


def _seconds(value: float) -> float:
    return round(value, 6)


def _printable(text: str) -> str:
    # Names and reasons come from the other side: nothing in them may move a cursor.
    return "".join(one if one.isprintable() else "?" for one in text)


def _coloured(line: str) -> str:
    red, green, plain = "\x1b[31m", "\x1b[32m", "\x1b[0m"
    line = re.sub(r"\b(FAILED|REFUSED|NO|wrong)\b", rf"{red}\1{plain}", line, count=1)
    return re.sub(r"(  )(ok|yes|accepted)\b", rf"\1{green}\2{plain}", line, count=1)
