"""tether.toml: what is refused is refused with file, key and problem in words."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tether.config.settings import ConfigError, DeviceSettings, Document, Settings, load, parse

PROJECT = Path(__file__).parents[2]
LED = '[[devices]]\nid = "a"\ndriver = "led"\n'


def test_an_empty_file_is_all_defaults() -> None:
    settings = parse("", "tether.toml")
    assert settings.server == Settings().server
    assert settings.devices == ()
    assert settings.source == "tether.toml"


def test_what_is_written_is_read() -> None:
    settings = parse(
        '[server]\nlisten = "[::1]:0"\n[hub]\nsimulated = true\n'
        + LED
        + 'source = "led0"\ninterval = 1\nexpire_after = 30.5\n[devices.options]\nbus = 3\n'
    )
    assert settings.server.listen == "[::1]:0"
    assert settings.hub.simulated is True
    assert settings.devices == (
        DeviceSettings(
            id="a",
            driver="led",
            source="led0",
            interval=1.0,
            expire_after=30.5,
            options={"bus": 3},
        ),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[hub]\nsimulated = 3", 'hub.simulated: expected "auto" or true or false, got 3'),
        ('[hub]\nsimulated = "x"', 'hub.simulated: expected "auto" or true or false, got "x"'),
        (LED + "interval = -1", "devices[0].interval: expected seconds from 0.1 to 86400, got -1"),
        (LED + "interval = nan",
         "devices[0].interval: expected seconds from 0.1 to 86400, got nan"),
        (LED + "interval = inf",
         "devices[0].interval: expected seconds from 0.1 to 86400, got inf"),
        (LED + LED.replace("a", "A"), 'devices[1].id: expected 1 to 64 of the characters a-z, 0-9, '
         '_ and -, got "A"'),
        (LED + LED, 'devices[1].id: "a" is devices[0] already'),
        (LED.replace('"a"',
         '"a\\n"'), 'devices[0].id: expected 1 to 64 of the characters a-z, 0-9, '
         '_ and -, got "a\\n"'),
        ("[[devices]]\nid = 'a'", "devices[0].driver: missing"),
        ("[devices]", "devices: expected tables, each under [[...]], got a table"),
        ("[limits]\nwrite_hihg = 1", "limits.write_hihg: there is no such key; did you mean "
         "write_high?"),
        ("servers = 1", "servers: there is no such key; did you mean server?"),
        ('source = "x"',
         "source: there is no such key; there are server, log, limits, hub, devices"),
        ('"a\\nb" = 1',
         '"a\\nb": there is no such key; there are server, log, limits, hub, devices'),
        ("[limits]\nmessage_bytes = 1e5", "limits.message_bytes: expected a whole number from 1024 "
         "to 67108864, got 100000.0"),
        ("[limits]\nmessage_bytes = 2024-01-01", "limits.message_bytes: expected a whole number "
         "from 1024 to 67108864, got a date"),
        ("[limits]\nwrite_low = 65536", "limits.write_low: expected less than write_high (65536), "
         "got 65536"),
        ("[server]\nlisten = '8080'", 'server.listen: expected "host:port", "[v6]:port" or '
         '"unix:path", got "8080"'),
        ("[server]\nlisten = 'a:99999'",
         "server.listen: expected a port from 0 to 65535, got 99999"),
        ("[server]\nhosts = ['a', 1]", "server.hosts[1]: expected a host name or address without "
         'scheme and port, like "board.local", got 1'),
        ("[server]\norigins = ['http://x/']", "server.origins[0]: expected an origin like "
         '"https://board.local:8443", without a path, got "http://x/"'),
        ('[log]\nlevel = "trace"', 'log.level: expected "debug" or "error" or "info" or "warning", '
         'got "trace"'),
        ("server = []", "server: expected a table, got an empty list"),
    ],
)  # fmt: skip
def test_a_refusal_names_file_key_and_problem(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "board.toml")
    assert str(caught.value) == f"board.toml: {message}"
    assert caught.value.file == "board.toml"
    assert caught.value.key == message.partition(": ")[0]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a = 1\nb =", 2, 4), ("a = 1\n\nb = ]", 3, 5), ('x = "', 1, 6), ("a = 1\na = 2", 2, 6)],
)
def test_what_is_not_toml_names_line_and_column(text: str, line: int, column: int) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "board.toml")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"board.toml:{line}:{column}: is not TOML: ")


def test_deep_nesting_is_refused_not_a_crash() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse("a = " + "[" * 20_000)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(ConfigError, match=re.escape(f"{missing}: there is no such file")):
        load(missing)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="is larger than"):
        load("/dev/zero")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = 1\nb = '\xff'")
    with pytest.raises(ConfigError, match=re.escape(f"{binary}:2:6: is not UTF-8 text")):
        load(binary)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "tether.toml"
    file.write_bytes(b"\xef\xbb\xbf[hub]\ndiscover = false\n")
    assert load(file).hub.discover is False


def test_the_example_is_valid_and_complete() -> None:
    settings = load(PROJECT / "examples" / "tether.toml")
    assert {device.driver for device in settings.devices} >= {"led", "hwmon", "machine"}


def test_every_key_is_documented_with_its_default() -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| ([^|]+) \|", text, re.MULTILINE))
    expected = {}
    for table in Document.__struct_fields__:
        struct = DeviceSettings if table == "devices" else type(getattr(Settings(), table))
        for field, default in _defaults(struct).items():
            expected[f"{table}.{field}"] = default
    assert rows.keys() == expected.keys()
    for key, default in expected.items():
        assert rows[key].strip() == default, key


def _defaults(struct: type) -> dict[str, str]:
    """Every field of a struct and its default, as TOML writes it."""
    shown = {}
    for field in msgspec.structs.fields(struct):
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if default is msgspec.NODEFAULT:
            shown[field.name] = "required"
        elif default is None or default == "":
            shown[field.name] = "-"
        elif default == {}:
            shown[field.name] = "`{}`"
        elif isinstance(default, float):
            shown[field.name] = f"`{default}`"
        else:
            shown[field.name] = f"`{msgspec.json.encode(default).decode()}`"
    return shown
