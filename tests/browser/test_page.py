"""The page in a real browser: values live, switches honest, and no tap ever replayed."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if importlib.util.find_spec("playwright") is None and not os.environ.get("CI"):
    pytest.skip("no browser test: playwright is not installed", allow_module_level=True)

from playwright.sync_api import expect

from tests.hub_server.device_board import Board, Lamp
from tether.hub.devices.model import DeviceUnavailable

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

OpenPage = Callable[..., "Page"]


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=15_000)


def switch(page: Page, name: str = "Led-Green") -> Locator:
    return page.get_by_role("switch", name=name)


def test_readings_change_by_themselves_and_show_their_age(
    board: Board, open_page: OpenPage
) -> None:
    page = open_page(board.address)
    card = page.locator("sensor-card[data-device=temperature]")
    for value, text in ((21.5, "21.5"), (22.75, "22.8"), (-3.0, "-3.0")):
        board.publish("temperature", value)
        expect(card.locator(".value")).to_have_text(text)
    expect(card.locator(".unit")).to_have_text("°C")
    expect(card.locator(".age")).to_have_text(re.compile("just now|s ago"))
    expect(card.locator(".age")).to_have_text(re.compile("[2-9] s ago"))
    expect(card.locator("svg .line")).to_have_count(1)
    expect(card.get_by_role("img", name=re.compile("Temperature, last 2 minutes"))).to_be_visible()
    expect(page.locator("#link-text")).to_have_text("Live")


def test_unknown_and_unavailable_look_different(board: Board, open_page: OpenPage) -> None:
    page = open_page(board.address)
    card = page.locator("sensor-card[data-device=temperature]")
    board.publish("temperature", 20.0)
    expect(card).to_have_attribute("data-status", "ok")
    board.call(lambda: board.hub.registry.unavailable(board.hub.get("temperature"), "unplugged"))
    expect(card.locator(".value")).to_have_text("Unavailable")
    expect(card.locator(".reason")).to_have_text("unplugged")
    expect(card.locator(".age")).to_have_text(re.compile("last seen"))


def test_simulated_devices_are_marked(open_page: OpenPage) -> None:
    board = Board(settings="[hub]\nsimulated = true\n").start()
    try:
        page = open_page(board.address)
        card = page.locator("control-card[data-device=led-green]")
        expect(card.get_by_text("simulated")).to_be_visible()
        machine = page.locator("sensor-card[data-device=machine-cpu]")
        expect(machine).to_be_visible()
        expect(machine.get_by_text("simulated")).to_be_hidden()
    finally:
        board.stop()


def test_a_switch_follows_the_server_and_not_the_finger(
    board: Board, lamp: Lamp, open_page: OpenPage
) -> None:
    page = open_page(board.address)
    button = switch(page)
    expect(button).to_have_attribute("aria-checked", "false")
    board.call(lamp.gate.clear)
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    expect(page.get_by_text("Switching…")).to_be_visible()
    expect(button).to_have_attribute("aria-checked", "false")
    board.call(lamp.gate.set)
    expect(button).to_have_attribute("aria-checked", "true")
    expect(button).to_have_attribute("aria-busy", "false")
    assert lamp.written == [True]
    # Somebody else switches it off.
    board.publish("led-green", False)
    expect(button).to_have_attribute("aria-checked", "false")


def test_two_pages_see_the_same_switch(board: Board, open_page: OpenPage) -> None:
    first, second = open_page(board.address), open_page(board.address)
    expect(switch(second)).to_have_attribute("aria-checked", "false")
    switch(first).click()
    expect(switch(second)).to_have_attribute("aria-checked", "true")


def test_a_command_that_fails_says_why_and_goes_away(
    board: Board, lamp: Lamp, open_page: OpenPage
) -> None:
    page = open_page(board.address)
    lamp.error = DeviceUnavailable("the cable is out")
    switch(page).click()
    failure = page.locator("control-card .failure")
    expect(failure).to_have_text("Failed: the cable is out.")
    expect(page.locator("#announcer")).to_have_text("Led-Green. Failed: the cable is out.")
    expect(switch(page)).to_have_attribute("aria-checked", "false")
    expect(failure).to_be_hidden()


def test_a_tap_while_offline_is_shown_failed_and_never_replayed(
    board: Board, lamp: Lamp, open_page: OpenPage
) -> None:
    page = open_page(board.address)
    expect(page.locator("#link-text")).to_have_text("Live")
    page.context.set_offline(True)
    expect(page.locator("#banner-text")).to_have_text(re.compile("offline"))
    expect(page.locator("#link-text")).to_have_text("Offline")
    switch(page).click()
    expect(page.locator("control-card .failure")).to_have_text(re.compile("Not sent"))
    expect(switch(page)).to_have_attribute("aria-checked", "false")
    page.context.set_offline(False)
    expect(page.locator("#link-text")).to_have_text("Live")
    expect(page.locator("#banner")).to_be_hidden()
    # A tap after the reconnect is the first one that reaches the lamp.
    board.publish("temperature", 30.5)
    expect(page.locator("sensor-card .value")).to_have_text("30.5")
    assert lamp.written == []
    switch(page).click()
    expect(switch(page)).to_have_attribute("aria-checked", "true")
    assert lamp.written == [True]


def test_a_tap_whose_answer_was_lost_is_not_sent_again(
    board: Board, lamp: Lamp, open_page: OpenPage
) -> None:
    page = open_page(board.address)
    board.call(lamp.gate.clear)
    switch(page).click()
    expect(switch(page)).to_have_attribute("aria-busy", "true")
    board.until(lambda: board.hub.commands.in_flight(lamp.device) is not None)
    page.context.set_offline(True)
    expect(page.locator("control-card .failure")).to_have_text(re.compile("not sent again"))
    page.context.set_offline(False)
    expect(page.locator("#link-text")).to_have_text("Live")
    board.call(lamp.gate.set)
    expect(switch(page)).to_have_attribute("aria-checked", "true")
    assert lamp.written == [True]


def test_it_connects_again_when_the_server_was_restarted(lamp: Lamp, open_page: OpenPage) -> None:
    first = Board([lamp]).start()
    page = open_page(first.address)
    expect(page.locator("#link-text")).to_have_text("Live")
    port = first.port
    first.stop()
    expect(page.locator("#banner-text")).to_have_text(re.compile("connection was lost"))
    expect(page.get_by_role("button", name="Try now")).to_be_visible()
    second = Board([Lamp("led-green")], port=port).start()
    try:
        page.get_by_role("button", name="Try now").click()
        expect(page.locator("#link-text")).to_have_text("Live")
        switch(page).click()
        expect(switch(page)).to_have_attribute("aria-checked", "true")
    finally:
        page.close()
        second.stop()


def test_everything_can_be_done_with_the_keyboard(
    board: Board, lamp: Lamp, open_page: OpenPage
) -> None:
    page = open_page(board.address)
    expect(switch(page)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the devices")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(switch(page)).to_be_focused()
    page.keyboard.press("Space")
    expect(switch(page)).to_have_attribute("aria-checked", "true")
    expect(switch(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(switch(page)).to_have_attribute("aria-checked", "false")
    assert lamp.written == [True, False]


def test_a_light_is_dimmed_by_its_slider(open_page: OpenPage) -> None:
    board = Board(settings="[hub]\nsimulated = true\n").start()
    try:
        page = open_page(board.address)
        slider = page.get_by_role("slider", name=re.compile("white", re.IGNORECASE))
        expect(slider).to_be_visible()
        slider.focus()
        page.keyboard.press("End")
        expect(slider).to_have_attribute("aria-valuetext", "100 %")
        client = board.client()
        card = page.locator("control-card[data-device=led-white]")
        expect(card.locator(".value")).to_have_text("On, 100 %")
        assert client.ask(type="get", device="led-white")["state"]["value"] == 100
    finally:
        board.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [(360, 740), (390, 844), (1280, 860)], ids=lambda size: str(size[0])
)
def test_it_fits_the_screen(
    board: Board, open_page: OpenPage, tmp_path: Path, size: tuple[int, int], scheme: Any
) -> None:
    width, height = size
    page = open_page(
        board.address, viewport={"width": width, "height": height}, color_scheme=scheme
    )
    expect(switch(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = switch(page).bounding_box()
    assert box is not None
    assert box["width"] >= 44
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert (red > 200) is (scheme == "light")
    page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)


def test_landmarks_and_names_are_there_for_a_screen_reader(
    board: Board, open_page: OpenPage
) -> None:
    page = open_page(board.address)
    expect(switch(page)).to_be_visible()
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("region", name="Controls")).to_be_visible()
    expect(page.get_by_role("region", name="Readings")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Devices")
    assert page.evaluate("document.documentElement.lang") == "en"
