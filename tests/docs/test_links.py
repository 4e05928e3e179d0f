"""The check of the documents' links finds what is broken, and finds nothing here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, documents

CHECK = ROOT / "tools" / "check_docs.py"


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CHECK), str(folder)], capture_output=True, text=True, check=False
    )


def test_the_documents_hold_together() -> None:
    ended = check(ROOT)
    assert (ended.returncode, ended.stdout) == (0, f"{len(documents())} documents, 0 problems\n")


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("[a](docs/nowhere.md)", "README.md:3: there is no docs/nowhere.md"),
        ("![a](docs/missing.png)", "README.md:3: there is no docs/missing.png"),
        ("[a](docs/page.md#no-such)", "README.md:3: docs/page.md has no heading #no-such"),
        ("[a](#nor-here)", "README.md:3: README.md has no heading #nor-here"),
        ("[a](http://example.org/)", "README.md:3: http://example.org/ is not https"),
        ("[a](../outside.md)", "README.md:3: there is no ../outside.md"),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, link: str, complaint: str) -> None:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (tmp_path / "outside.md").touch()
    (site / "docs" / "page.md").write_text("# Here it is\n")
    (site / "README.md").write_text(f"[x](docs/page.md#here-it-is) `[code](nowhere)`\n\n{link}\n")
    ended = check(site)
    assert (ended.returncode, ended.stdout) == (1, f"{complaint}\n2 documents, 1 problems\n")


def test_a_page_that_nobody_links_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "lost.md").write_text("# Lost\n")
    (tmp_path / "README.md").write_text("```text\n[x](docs/lost.md)\n```\n")
    ended = check(tmp_path)
    assert "docs/lost.md: no link leads here from README.md" in ended.stdout
    assert ended.returncode == 1
