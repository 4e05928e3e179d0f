"""`tether serve` in a process of its own, and `tether doctor` in this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import authority
from tests.cli.running import Served
from tests.watch import Reports
from tether.cli.main import main


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*arguments: str) -> Served:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        served = Served(folder, arguments)
        started.append(served)
        return served

    yield start
    for served in started:
        served.stop()


@pytest.fixture
def trusts_the_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@pytest.fixture
def doctor(
    capsys: pytest.CaptureFixture[str],
    trusts_the_authority: None,
    nothing_left: None,
    reports: Reports,
) -> Callable[..., Any]:
    """The JSON of a run, which leaves nothing behind and logs nothing."""

    def run(*arguments: str, **more: str) -> Any:
        options = [part for name, value in more.items() for part in (f"--{name}", value)]
        status = main(["doctor", *arguments, *options, "--json"])
        printed = capsys.readouterr()
        assert printed.err == ""
        report = json.loads(printed.out)
        assert report["status"] == status
        return report

    return run
