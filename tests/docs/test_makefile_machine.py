"""What `make` says on a machine that cannot build tether."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

CHECK = ROOT / "tools" / "check_machine.py"


def check(
    interpreter: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter, str(CHECK)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_this_machine_will_do() -> None:
    ended = check()
    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_a_compiler_it_says_which_and_what_to_install() -> None:
    ended = check(CC="no-such-compiler -pthread")
    assert ended.returncode == 1
    assert "there is no C compiler: no-such-compiler was not found" in ended.stderr
    assert "apt install gcc" in ended.stderr


def test_an_older_python_is_named() -> None:
    older = [path for name in ("3.10", "3.9", "3.8") if (path := old_python(name))]
    if not older:
        pytest.skip("no Python older than 3.11 is installed")
    ended = check(older[0])
    assert ended.returncode == 1
    assert "tether needs Python 3.11 or newer" in ended.stderr
    assert "make PYTHON=" in ended.stderr


def old_python(version: str) -> str | None:
    """An interpreter that runs; pyenv leaves commands on the path that do not."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    path = str(found[0]) if found else shutil.which(f"python{version}")
    if path is None:
        return None
    runs = subprocess.run([path, "-c", ""], capture_output=True, check=False)
    return path if runs.returncode == 0 else None


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lists_what_can_be_made() -> None:
    ended = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    for target in ("run", "test", "check", "build", "bench", "sanitize", "autobahn", "clean"):
        assert f"\nmake {target} " in "\n" + ended.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_says_when_the_python_does_not_run(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["make", "build", "PYTHON=no-such-python", f"VENV={tmp_path / 'environment'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "no-such-python does not run here" in ended.stderr
    assert list(tmp_path.iterdir()) == []
