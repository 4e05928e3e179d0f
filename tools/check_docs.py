"""Whether the documents hold together: links, anchors, pictures, and that each page is reached.

It knows Markdown's links and headings, and no more of it; `python tools/check_docs.py [FOLDER]`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ENTRANCE = "README.md"
_FENCE = re.compile(r"^(```+|~~~+)[^\n]*\n.*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def pages(root: Path) -> list[Path]:
    """The documents below `root`, in order."""
    places = ("*.md", "docs/**/*.md", "benchmarks/**/*.md")
    return sorted(page for place in places for page in root.glob(place))


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have, as forges make them."""
    names: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text())):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 1
        name = plain
        while name in names:
            name = f"{plain}-{number}"
            number += 1
        names.add(name)
    return names


def links(page: Path) -> Iterator[tuple[int, str]]:
    """The line and the target of each link, outside of code."""
    text = page.read_text()
    # Code is replaced by as many lines, so that the numbers stay right.
    text = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    text = _CODE.sub(lambda found: "x" * len(found[0]), text)
    for found in _LINK.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found["target"]


def problems(root: Path) -> Iterator[str]:
    """What is wrong below `root`, one line each."""
    root = root.resolve()
    documents = pages(root)
    reached = {root / ENTRANCE}
    waiting = [root / ENTRANCE]
    graph: dict[Path, set[Path]] = {}
    for page in documents:
        graph[page] = set()
        for line, target in links(page):
            where = f"{page.relative_to(root)}:{line}"
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                if not target.startswith("https://"):
                    yield f"{where}: {target} is not https"
                continue
            name, _, anchor = target.partition("#")
            to = (page.parent / unquote(name)).resolve() if name else page
            if not to.is_relative_to(root) or not to.exists():
                yield f"{where}: there is no {target}"
            elif anchor and (to.suffix != ".md" or anchor not in anchors(to)):
                yield f"{where}: {name or page.name} has no heading #{anchor}"
            graph[page].add(to)
    while waiting:
        for to in graph.get(waiting.pop(), set()):
            if to not in reached:
                reached.add(to)
                waiting.append(to)
    for page in documents:
        if page not in reached:
            yield f"{page.relative_to(root)}: no link leads here from {ENTRANCE}"


def main() -> int:
    """Print the problems; 1 where there are some."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    if not (root / ENTRANCE).exists():
        print(f"no {ENTRANCE} in {root}", file=sys.stderr)
        return 2
    found = list(problems(root))
    for problem in found:
        print(problem)
    print(f"{len(pages(root))} documents, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
