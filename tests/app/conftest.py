"""The servers of these tests are those of tests/http."""

from __future__ import annotations

from tests.http.conftest import serve

__all__ = ["serve"]
