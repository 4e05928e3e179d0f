"""Every Python block of the documents is a whole program, and runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import Block, blocks, documents

RUNNER = Path(__file__).with_name("running_example.py")
PATIENCE = 20.0
"""Seconds after which an example counts as stuck."""

ALL = [block for page in documents() for block in blocks(page)]
PROGRAMS = [block for block in ALL if block.language == "python"]


def test_the_documents_have_examples() -> None:
    assert len(PROGRAMS) >= 8
    assert {block.where.partition(":")[0] for block in PROGRAMS} >= {
        "README.md",
        "docs/failures.md",
        "docs/http.md",
        "docs/ownership.md",
        "docs/websocket.md",
    }


def test_no_python_hides_behind_another_name() -> None:
    known = {"python", "sh", "text", "toml", "json", "console", ""}
    assert {block.language for block in ALL} <= known
    plain = [block for block in ALL if block.language not in ("python", "console")]
    assert [block.where for block in plain if "import tether" in block.text] == []


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.where)
def test_a_block_runs_as_it_stands(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(block.text)
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(RUNNER), "--once", str(file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), block.where
    # One that serves must have come as far as that.
    assert ("serving http://" in ended.stdout) == ("tether.serve(" in block.text), block.where
