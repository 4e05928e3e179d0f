"""The LED driver, on a tree of files: triggers, scaling, what was read back, what goes missing."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.sysfs_tree import Tree, fail_with_eio
from tether.config.settings import ConfigError, parse
from tether.hub.devices.discovery import discover
from tether.hub.devices.led import Led, to_level, to_percent
from tether.hub.devices.model import Device, DeviceUnavailable, Kind, Value


def led(tree: Tree, kind: Kind = Kind.SWITCH, name: str = "led0") -> Led:
    return Led(Device("led", "LED", kind), name, tree.root)


def read(driver: Led) -> Value:
    return asyncio.run(driver.read(driver.devices[0]))


def write(driver: Led, value: Value) -> Value:
    """Write, and what the hardware says then."""

    async def both() -> Value:
        await driver.write(driver.devices[0], value)
        return await driver.read(driver.devices[0])

    return asyncio.run(both())


def text(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()


@pytest.mark.parametrize("most", [1, 15, 255])
def test_a_switch_goes_to_full_and_off(tree: Tree, most: int) -> None:
    folder = tree.led("led0", most=most)
    driver = led(tree)
    assert read(driver) is False
    assert write(driver, True) is True
    assert text(folder, "brightness") == str(most)
    assert write(driver, False) is False
    assert text(folder, "brightness") == "0"


@pytest.mark.parametrize(
    ("most", "percent", "level", "back"),
    [(255, 50, 128, 50), (255, 1, 3, 1), (15, 50, 8, 53), (15, 1, 1, 7), (1, 30, 1, 100),
     (100, 37, 37, 37), (255, 0, 0, 0), (255, 100, 255, 100), (4095, 33, 1351, 33)],
)  # fmt: skip
def test_a_light_is_scaled_to_max_brightness(
    tree: Tree, most: int, percent: int, level: int, back: int
) -> None:
    folder = tree.led("led0", most=most)
    driver = led(tree, Kind.LIGHT)
    assert write(driver, percent) == back
    assert text(folder, "brightness") == str(level)
    assert driver.settled(driver.devices[0], percent, back)


@pytest.mark.parametrize("most", [1, 2, 7, 15, 100, 101, 127, 255, 1023, 4095])
def test_every_percentage_is_settled_by_its_own_read_back(most: int) -> None:
    for percent in range(101):
        level = to_level(percent, most)
        assert 0 <= level <= most
        assert (level == 0) is (percent == 0)
        assert to_level(to_percent(level, most), most) == level


def test_the_trigger_is_set_to_none_first(tree: Tree) -> None:
    folder = tree.led("led0", trigger="none timer [heartbeat] mmc0\n")
    assert write(led(tree), True) is True
    assert text(folder, "trigger") == "none"


def test_a_trigger_that_is_none_is_left_alone(tree: Tree) -> None:
    folder = tree.led("led0", trigger="[none] timer heartbeat\n")
    write(led(tree), True)
    assert text(folder, "trigger") == "[none] timer heartbeat"


def test_an_led_without_a_trigger_file_works(tree: Tree) -> None:
    folder = tree.led("led0", trigger=None)
    assert write(led(tree), True) is True
    assert not (folder / "trigger").exists()


class Stubborn(Led):
    """The hardware takes any brightness and stays at 3."""

    def write_now(self, device: Device, value: Value) -> None:
        super().write_now(device, value)
        (self.folder / "brightness").write_text("3\n")


def test_what_the_hardware_does_instead_is_what_is_read(tree: Tree) -> None:
    tree.led("led0")
    switch = Stubborn(Device("led", "LED", Kind.SWITCH), "led0", tree.root)
    assert write(switch, False) is True
    assert not switch.settled(switch.devices[0], False, True)
    light = Stubborn(Device("led", "LED", Kind.LIGHT), "led0", tree.root)
    assert write(light, 80) == 1
    assert not light.settled(light.devices[0], 80, 1)


def test_an_led_that_vanishes_and_comes_back(tree: Tree) -> None:
    folder = tree.led("led0", level=255)
    driver = led(tree)
    assert read(driver) is True
    (folder / "brightness").unlink()
    with pytest.raises(DeviceUnavailable, match="led0/brightness is gone"):
        read(driver)
    with pytest.raises(DeviceUnavailable, match="is gone"):
        write(driver, True)
    assert not (folder / "brightness").exists(), "writing must not make a file"
    (folder / "brightness").write_text("0\n")
    assert read(driver) is False


def test_an_input_output_error_makes_it_unavailable(tree: Tree) -> None:
    folder = tree.led("led0")
    fail_with_eio(folder / "brightness")
    with pytest.raises(DeviceUnavailable, match=r"does not answer \(input/output error\)"):
        read(led(tree))


def test_a_write_that_fails_makes_it_unavailable(tree: Tree) -> None:
    folder = tree.led("led0")
    (folder / "brightness").unlink()
    (folder / "brightness").symlink_to("/dev/full")
    with pytest.raises(DeviceUnavailable, match="no space left"):
        write(led(tree), True)


@pytest.mark.parametrize("content", ["", "\n", "on", "1 2", "0x10", "٣", "1" * 30, "\xff"])
def test_a_brightness_that_is_no_number(tree: Tree, content: str) -> None:
    tree.led("led0").joinpath("brightness").write_text(content)
    with pytest.raises(DeviceUnavailable, match="which is no number"):
        read(led(tree))


@pytest.mark.parametrize("content", ["0", "-1", "", "many"])
def test_a_max_brightness_that_cannot_be(tree: Tree, content: str) -> None:
    folder = tree.led("led0")
    (folder / "max_brightness").write_text(content)
    with pytest.raises(DeviceUnavailable, match="max_brightness"):
        write(led(tree), True)
    assert text(folder, "brightness") == "0"


def test_a_directory_in_place_of_a_file(tree: Tree) -> None:
    folder = tree.led("led0")
    (folder / "brightness").unlink()
    (folder / "brightness").mkdir()
    with pytest.raises(DeviceUnavailable, match="is a directory"):
        read(led(tree))


def test_discovery_tells_switches_from_lights(tree: Tree) -> None:
    tree.led("beaglebone:green:usr0", most=1)
    tree.led("led_white", most=255)
    tree.put("class/leds/broken/max_brightness", "1")
    devices = [device for driver in Led.discovered(tree.root) for device in driver.devices]
    assert [(device.id, device.name, device.kind) for device in devices] == [
        ("led-beaglebone-green-usr0", "beaglebone:green:usr0", Kind.SWITCH),
        ("led_white", "led_white", Kind.LIGHT),
    ]
    assert not any(device.simulated for device in devices)


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A place to read from for one who is not root; root becomes nobody for the test."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    # not pytest's own directory, which only its user may enter
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_discovery_leaves_out_what_this_user_may_not_set(ordinary_user: Path) -> None:
    tree = Tree(ordinary_user)
    (tree.led("led0") / "brightness").chmod(0o444)
    tree.led("led1")
    assert [driver.devices[0].id for driver in Led.discovered(tree.root)] == ["led1"]
    driver = led(tree)
    with pytest.raises(DeviceUnavailable, match="led0/brightness may not be used by this user"):
        write(driver, True)


TABLE = '[[devices]]\nid = "lamp"\ndriver = "led"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "devices[0].source: missing: the LED's name in "),
        ('source = "../x"', 'devices[0].source: expected the name of an LED, got "../x"'),
        ('source = ".."', "devices[0].source: expected the name"),
        ('source = "a"\nkind = "sensor"', 'devices[0].kind: expected "switch" or "light"'),
        ('source = "a"\ninterval = 20\nexpire_after = 20', "devices[0].expire_after: expected more "
         "than the interval of 20 s, got 20"),
    ],
)  # fmt: skip
def test_a_table_that_is_unfit_names_its_key(tree: Tree, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        discover(parse(TABLE + text, "board.toml"), root=tree.root)
    assert str(caught.value).startswith(f"board.toml: {message}")


def test_a_configured_led_that_is_not_there_yet(tree: Tree) -> None:
    settings = parse("[hub]\ndiscover = false\n" + TABLE + 'source = "usb-lamp"\nname = "Lamp"')
    (driver,) = discover(settings, root=tree.root)
    assert isinstance(driver, Led)
    assert (driver.devices[0].name, driver.devices[0].kind) == ("Lamp", Kind.SWITCH)
    with pytest.raises(DeviceUnavailable):
        read(driver)
    tree.led("usb-lamp", level=255)
    assert read(driver) is True
