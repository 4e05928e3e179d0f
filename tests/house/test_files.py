"""Every file says what lives in it, is short, has a good name, and names no machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {".py", ".pyx", ".pxd", ".pyi", ".js", ".css", ".c", ".h"}
LONGEST = 440  # "about 400": what is read in one sitting

#: Longer files, each with the lines it may have and the reason.
LONGER = {
    "src/tether/engine/scope.pyx": (
        765,
        "one life cycle: its steps call each other natively at every level, and C compilers do "
        "not inline across modules",
    ),
    "src/tether/stream/buffer.pyx": (
        660,
        "one public class of many short methods, half of it their documentation; what works below "
        "them has files of its own",
    ),
    "src/tether/stream/chain.pyx": (
        480,
        "every step of a chain works on its chunks, and C compilers do not inline across modules",
    ),
    "src/tether/stream/channel.pyx": (
        640,
        "the wire path: reading, writing and closing share the state of one C struct",
    ),
    "src/tether/aio/transport.pyx": (
        520,
        "asyncio's rules for a stream: each method of the interface is short, and there are many",
    ),
    "src/tether/websocket/session.pyx": (
        800,
        "the frame parser hands messages on in place: parser and session share one C struct",
    ),
    "src/tether/http/connection.pyx": (
        600,
        "a connection and its one request call each other natively while the parser runs",
    ),
}
FORBIDDEN_NAMES = re.compile(r"(?:^|_)(?:utils?|helpers?|managers?|commons?)(?:_|$)", re.IGNORECASE)
# Written apart, so that this file does not find itself.
PLACES = re.compile(
    r"(?<![\w.])/(?:work|root|home)(?:/|\b(?![\w-]))"
    r"|\b(?:pypi\.|files\.pythonhosted|registry\.npmjs|npmjs\.|repo\.anaconda|conda\.anaconda)"
    r"|\bindex-url\b"
)


def files_of_the_project() -> list[Path]:
    # What git tracks or would track; in a tree without git, everything that is not built.
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]
    return [
        path
        for name in ("src", "tests", "docs", "examples", "benchmarks")
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix in SOURCES | {".md", ".toml", ".sh"}
    ]


FILES = files_of_the_project()
SOURCE_FILES = [path for path in FILES if path.suffix in SOURCES]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def opening(text: str, suffix: str) -> str:
    """The comment or docstring that a file opens with, without its marks, or ""."""
    if suffix in (".js", ".css", ".c", ".h"):
        found = re.match(r"/\*(?P<block>.*?)\*/|(?P<lines>(?://[^\n]*\n)+)", text, re.DOTALL)
        return re.sub(r"^[ *]+|//", "", found[0].strip("/*"), flags=re.M) if found else ""
    found = re.match(
        r'(?:#!.*\n)?(?:(?P<comment>(?:#[^\n]*\n)+)|[rR]?"""(?P<docstring>.*?)""")', text, re.DOTALL
    )
    if not found:
        return ""
    return (found["docstring"] or re.sub(r"^# ?", "", found["comment"] or "", flags=re.M)).strip()


def test_there_are_files_to_look_at() -> None:
    names = {name_of(path) for path in SOURCE_FILES}
    assert {
        "src/tether/engine/engine.pyx",
        "src/tether/errors.py",
        name_of(Path(__file__)),
    } <= names


def test_every_source_file_opens_by_saying_what_lives_in_it() -> None:
    silent = [
        name_of(path)
        for path in SOURCE_FILES
        if (text := path.read_text()).strip() and len(opening(text, path.suffix).split()) < 3
    ]
    assert silent == []


def test_files_are_short() -> None:
    sizes = {name_of(path): path.read_text().count("\n") for path in SOURCE_FILES}
    longest = {name: LONGER.get(name, (LONGEST,))[0] for name in sizes}
    assert {name: size for name, size in sizes.items() if size > longest[name]} == {}


def test_every_exception_is_still_needed() -> None:
    sizes = {name: (ROOT / name).read_text().count("\n") for name in LONGER}
    assert {name: size for name, size in sizes.items() if size <= LONGEST} == {}


def test_names_mean_something() -> None:
    empty = [
        name_of(path)
        for path in FILES
        if any(FORBIDDEN_NAMES.search(part.split(".")[0]) for part in path.relative_to(ROOT).parts)
    ]
    assert empty == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in FILES
        if path != Path(__file__) and (text := readable(path)) is not None
        for number, line in enumerate(text.splitlines(), 1)
        if PLACES.search(line)
    ]
    assert found == []


def readable(path: Path) -> str | None:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize(
    ("text", "suffix", "said"),
    [
        ('"""What lives here."""\nimport os\n', ".py", "What lives here."),
        ("#!/usr/bin/env python\n# What lives here.\n", ".py", "What lives here."),
        ("# What lives here.\n# And this.\n\ncimport x\n", ".pyx", "What lives here.\nAnd this."),
        ("import os\n# late\n", ".py", ""),
        ("// What lives here.\nlet a;\n", ".js", "What lives here."),
        ("/* What lives here. */\n", ".c", "What lives here."),
    ],
)
def test_the_opening_is_read(text: str, suffix: str, said: str) -> None:
    assert opening(text, suffix).strip() == said


@pytest.mark.parametrize(
    "line", ["cd /work/main", 'open("/root/x")', "/home/me/x", "https://pypi.org/x"]
)
def test_a_place_is_found(line: str) -> None:
    assert PLACES.search(line)


@pytest.mark.parametrize("line", ["/api/work/x", "the /workers page", "docs/home.md", "a/root"])
def test_what_only_looks_like_a_place_is_not(line: str) -> None:
    assert not PLACES.search(line)


@pytest.mark.parametrize("name", ["utils", "test_helpers", "loop_manager", "common", "util"])
def test_an_empty_name_is_found(name: str) -> None:
    assert FORBIDDEN_NAMES.search(name)
