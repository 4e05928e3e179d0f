"""The socket's pending error is cleared by reading it: one line of the code base reads it."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
NAME = re.compile(r"\bSO_ERROR\b")


def lines_of_code(text: str) -> list[str]:
    """The lines of a Python or Cython file without comments and without strings."""
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            lines[token.start[0] - 1] += f" {token.string}"
    return lines


def readers(root: Path) -> list[str]:
    """Every line of code that names it, as "file:line"."""
    return [
        f"{path.relative_to(root)}:{number}"
        for path in sorted(root.rglob("*"))
        if path.suffix in (".py", ".pyx", ".pxd", ".pxi")
        for number, line in enumerate(lines_of_code(path.read_text()), 1)
        if NAME.search(line)
    ]


def test_one_line_reads_it() -> None:
    (place,) = readers(SOURCE)
    assert place.startswith("tether/stream/connecting.pyx:")


def test_the_count_sees_code_and_only_code(tmp_path: Path) -> None:
    (tmp_path / "a.pyx").write_text(
        '"""SO_ERROR in a docstring."""\n'
        "# SO_ERROR in a comment\n"
        "cdef int one = sock.getsockopt(SOL_SOCKET, SO_ERROR)  # SO_ERROR again\n"
        "cdef enum:\n    SO_ERROR\n"
        'text = "SO_ERROR"\n'
    )
    assert readers(tmp_path) == ["a.pyx:3", "a.pyx:5"]
