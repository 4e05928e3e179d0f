"""Reads the imports and cimports below a source tree and judges them by the house's arrows.

It knows file names and import lines only; the drawing of the house is the two tables here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "tether"

#: The floors, from the roof down. Rooms on one floor do not know each other.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"cli"}),
    frozenset({"gateway", "hub", "asgi"}),
    frozenset({"app"}),
    frozenset({"websocket"}),
    frozenset({"http"}),
    frozenset({"aio", "filters"}),
    frozenset({"stream"}),
    frozenset({"engine"}),
    frozenset({"config"}),
    frozenset({"errors"}),
)
LEVEL = {room: len(FLOORS) - number for number, rooms in enumerate(FLOORS) for room in rooms}

#: `import tether` hands on what `app` and the rooms below it have.
TOP_IS_LIKE = "app"

#: The rooms inside `hub`, and which other parts of `hub` each may know. What is not listed here
#: (`hub.py`, `session.py`, ...) is the landing that joins them, and may know all.
HUB_ROOMS: dict[str, frozenset[str]] = {
    "devices": frozenset(),
    "history": frozenset({"devices"}),
    "access": frozenset(),
    "page": frozenset(),
}

_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'', re.DOTALL)
_CIMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<source>[\w.]+)[ \t]+c?import\b[ \t]*(?P<names>\([^)]*\)|[^\n#]*)"
    r"|c?import[ \t]+(?P<plain>[\w.][\w., \t]*))",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, as a dotted path: `tether.engine.scope.Scope`."""

    line: int
    target: str


def imports_of(path: Path, package: str) -> Iterator[Import]:
    """All imports of one file; `package` is the dotted name of the package the file is in."""
    text = path.read_text()
    if path.suffix in (".py", ".pyi"):
        yield from _python_imports(text, package)
    else:
        yield from _native_imports(text, package)


def _python_imports(text: str, package: str) -> Iterator[Import]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute("." * node.level + (node.module or ""), package)
            for alias in node.names:
                yield Import(node.lineno, f"{source}.{alias.name}")


def _native_imports(text: str, package: str) -> Iterator[Import]:
    text = _without_strings(text)
    for match in _CIMPORT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["source"]:
            source = _absolute(match["source"], package)
            for name in match["names"].strip("()").split(","):
                if name.strip():
                    yield Import(line, f"{source}.{name.split()[0]}")
        else:
            for name in match["plain"].split(","):
                if name.strip():
                    yield Import(line, name.split()[0])


def _without_strings(text: str) -> str:
    # Docstrings show examples; their import lines are not the file's. Line numbers stay.
    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", "", match[0])

    return re.sub(
        r'"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'', blank, text, flags=re.DOTALL
    )


def _absolute(source: str, package: str) -> str:
    dots = len(source) - len(source.lstrip("."))
    if not dots:
        return source
    base = package.split(".")[: len(package.split(".")) - dots + 1]
    return ".".join([*base, source[dots:]]).rstrip(".")


def wrong_arrows(root: Path) -> list[str]:
    """Every import below `root` (the package's folder) that goes up or sideways, one line each."""
    wrong: list[str] = []
    for path in sorted(root.rglob("*")):
        if path.suffix not in (".py", ".pyi", ".pyx", ".pxd"):
            continue
        parts = path.relative_to(root).with_suffix("").parts
        room = parts[0]
        if room == "__init__":
            continue  # the door: it hands on whatever there is
        if room == "__main__":
            room = "cli"
        package = ".".join([PACKAGE, *parts[:-1]])
        for one in imports_of(path, package):
            said = _judge(room, parts, one.target)
            if said:
                wrong.append(f"{path.relative_to(root)}:{one.line}: {said}")
    return wrong


def _judge(room: str, parts: tuple[str, ...], target: str) -> str:
    names = target.split(".")
    if names[0] != PACKAGE:
        return ""
    if room not in LEVEL:
        return f"{room} is no room of the house"
    other = names[1] if len(names) > 1 and names[1] in LEVEL else TOP_IS_LIKE
    if other == room:
        return _judge_inside_hub(parts, names) if room == "hub" else ""
    if LEVEL[other] > LEVEL[room]:
        return f"{room} -> {target} goes up"
    if LEVEL[other] == LEVEL[room]:
        return f"{room} -> {target} goes sideways"
    return ""


def _judge_inside_hub(parts: tuple[str, ...], names: list[str]) -> str:
    room = parts[1] if len(parts) > 1 else ""
    if room not in HUB_ROOMS:
        return ""
    other = names[2] if len(names) > 2 else ""
    if other != room and other not in HUB_ROOMS[room]:
        return f"hub/{room} -> {'.'.join(names)}: this room must not know that"
    return ""
