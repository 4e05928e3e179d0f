"""The Autobahn suite against an echo server of ours (case 43, without compression).

`tools/autobahn` runs all of it; here stands what takes a few seconds. Where the suite is neither
installed nor installable the test is skipped; under CI that is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent.parent / "tools" / "autobahn"


def autobahn(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def installed() -> None:
    done = autobahn("--install-only")
    if done.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(done.stderr)
        pytest.skip(done.stderr)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("handler", ["plain", "async"])
@pytest.mark.parametrize(("group", "cases"), [("protocol", 247), ("limits", 54)])
def test_no_failure_and_nothing_non_strict(handler: str, group: str, cases: int) -> None:
    done = autobahn("--handler", handler, "--group", group)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{group}: {cases} cases in ")
