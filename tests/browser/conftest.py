"""A real Chromium and a real device server. Skips where there is no browser, but not in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.hub_server.device_board import Board, Lamp, Meter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

# Without these Chromium tries to reach its maker's servers at every start.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 15_000
"""Milliseconds after which a test gives up on the page."""


def missing(what: str) -> None:
    message = f"no browser test: {what}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("chromium is not installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def lamp() -> Lamp:
    return Lamp("led-green")


@pytest.fixture
def meter() -> Meter:
    return Meter("temperature")


@pytest.fixture
def board(lamp: Lamp, meter: Meter) -> Iterator[Board]:
    board = Board([lamp, meter]).start()
    yield board
    board.stop()
    assert [record.getMessage() for record in board.problems] == []


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open the page of a server; at the end nothing was written to the browser's console."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(address: str, **options: object) -> Page:
        options.setdefault("viewport", {"width": 390, "height": 844})
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.goto(f"http://{address}/")
        return page

    yield open_
    for context in contexts:
        context.close()
    # A link that is cut is reported by the browser itself, whatever the page does.
    expected = ("ERR_INTERNET_DISCONNECTED", "ERR_CONNECTION_REFUSED", "WebSocket connection to")
    assert [text for text in complaints if not any(part in text for part in expected)] == []
