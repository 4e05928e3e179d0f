"""What goes to `sys.unraisablehook` in a test, where it expects that."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """The exceptions that nobody could be told, in order."""
    said: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: said.append(report.exc_value))
    return said
