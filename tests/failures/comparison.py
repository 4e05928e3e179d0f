"""Lays out, as a table, what tether and its peers say of the same faults.

Knows what was said and how a cell of Markdown looks. No port, no path and no exact time is in it:
the next run gives the same table.
"""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path
from typing import Any

from tests.failures.network import SECONDS
from tests.failures.table import FAULTS, SAME_CAUSE

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"
BEGIN = "<!-- written by python -m tests.failures -->"
END = "<!-- end of what was written -->"
PEERS = ("asyncio streams", "aiohttp", "httpx")
_EAI = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
LONGEST = 72


def cause(name: str) -> str:
    """What a fault is a case of: several may have the same cause."""
    return min(next((group for group in SAME_CAUSE if name in group), {name}))


def number_name(number: int | None) -> str:
    """The name of an errno or of a resolver's number, "" for none."""
    if number is None:
        return ""
    return errno.errorcode.get(number) or _EAI.get(number) or str(number)


def when(seconds: float) -> str:
    """How long it took, rounded to what does not depend on the machine."""
    return "at once" if seconds < SECONDS else "at the deadline"


def ours(one: dict[str, Any]) -> str:
    """tether's cell."""
    fields = [f"phase {one['phase']}", number_name(one["errno"]), one["detail"]]
    told = ", ".join(field for field in fields if field)
    return f"`{one['class']}` {told}; `{one['token']}`; {when(one['took'])}"


def theirs(one: dict[str, Any] | None) -> str:
    """A peer's cell."""
    if one is None:
        return "-"
    if one["class"] == "no failure":
        return f"no failure; {when(one['took'])}"
    # OpenSSL's 1 says that it is OpenSSL's.
    number = "" if one["errno"] == 1 else number_name(one["errno"])
    number = ", ".join(part for part in (number, one["detail"]) if part)
    text = plain(one["text"])
    said = f" “{text}”" if text else " no message"
    return f"`{one['class']}`{' ' + number if number else ''}{said}; {when(one['took'])}"


def plain(text: str) -> str:
    """A message without what is another one in the next run."""
    text = re.sub(r"(?<=[:, ])\d{4,5}\b", "…", text)
    text = re.sub(r"/tmp/[^/ ]+", "…", text)
    text = re.sub(r"\(_ssl\.c:[^)]*\)", "", text)
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "\\<").strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def key_of_ours(one: dict[str, Any]) -> tuple[Any, ...]:
    """What a program can tell tether's failures apart by."""
    return one["class"], one["phase"], one["errno"], one["token"], one["detail"]


def key_of_theirs(one: dict[str, Any]) -> tuple[Any, ...]:
    """What a program can tell a peer's failures apart by, without reading messages."""
    return one["class"], one["errno"], one["detail"]


def table(said: dict[str, Any]) -> str:
    """All that goes between the marks of the page.

    Args:
        said: what `network.meet` returns of tether on "epoll", and of the "peers".
    """
    mine, others = said["epoll"]["said"], said["peers"]["said"]
    versions = said["peers"]["versions"]
    titles = [name + (f" {versions[name]}" if name in versions else "") for name in PEERS]
    lines = [
        f"| what happens | tether | {' | '.join(titles)} |",
        f"| --- | --- |{' --- |' * len(PEERS)}",
    ]
    for name in FAULTS:
        cells = [theirs(others[peer].get(name)) for peer in PEERS]
        lines.append(f"| {name} | {ours(mine[name][0])} | {' | '.join(cells)} |")
    lines += [
        "",
        "| | causes that it met | told apart without reading messages |",
        "| --- | --- | --- |",
    ]
    causes = {name: cause(name) for name in FAULTS}
    keyed = {"tether": {name: key_of_ours(mine[name][0]) for name in FAULTS}}
    for peer, title in zip(PEERS, titles, strict=True):
        keyed[title] = {name: key_of_theirs(one) for name, one in others[peer].items()}
    for title, key_of in keyed.items():
        keys: dict[tuple[Any, ...], set[str]] = {}
        for name, key in key_of.items():
            keys.setdefault(key, set()).add(causes[name])
        met = {causes[name] for name in key_of}
        alone = {one for some in keys.values() if len(some) == 1 for one in some}
        lines.append(f"| {title} | {len(met)} | {len(alone)} |")
    return "\n".join(lines)


def written() -> str:
    """What the page has between its marks."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def write(text: str) -> None:
    """Put it there."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
