"""Reads the project's documents: their code blocks and their tables. Knows nothing of tether."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code."""

    where: str
    language: str
    text: str


def documents() -> list[Path]:
    """Every document, and none that was installed or made."""
    return sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
    )


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(
            f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}",
            found["language"].strip(),
            found["text"],
        )
        for found in _BLOCK.finditer(text)
    ]


def table(page: str, *columns: str) -> list[list[str]]:
    """The rows of the one table on `page` that has these columns; backticks are taken off."""
    tables = []
    lines = (ROOT / page).read_text().splitlines()
    for number, line in enumerate(lines):
        if _cells(line) == list(columns) and set(lines[number + 1]) <= set("|-: "):
            rows = []
            for row in lines[number + 2 :]:
                if not row.startswith("|"):
                    break
                rows.append(_cells(row))
            tables.append(rows)
    assert len(tables) == 1, f"{page} has {len(tables)} tables of {columns}"
    assert tables[0], f"the table of {columns} on {page} is empty"
    return tables[0]


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
