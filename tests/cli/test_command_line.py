"""What `tether` says before it serves anything: help, version, and what is wrong."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

import tether
from tests.cli.running import run


def test_the_help_says_what_it_is_for_and_what_to_type() -> None:
    for arguments in ((), ("--help",)):
        done = run(*arguments)
        assert done.returncode == 0
        assert "tether serve" in done.stdout
        assert "browser" in done.stdout
        assert done.stderr == ""


def test_the_help_of_serve_names_every_option_and_exit_status() -> None:
    text = run("serve", "--help").stdout
    for word in ("--listen", "--config", "--insecure", "--log-json", "--verbose", "127.0.0.1:8080"):
        assert word in text
    for status in ("2 ", "69", "77", "78"):
        assert f"\n  {status}" in text


def test_the_version() -> None:
    assert run("--version").stdout == f"tether {tether.__version__}\n"


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("arguments", [("dance",), ("serve", "--lis", "x"), ("serve", "extra")])
def test_wrong_arguments(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "--help" in one_line(done.stderr)


@pytest.mark.parametrize(
    "address", ["", "localhost", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", ":80", "::1:80"]
)
def test_a_wrong_address(address: str) -> None:
    done = run("serve", "--listen", address)
    assert done.returncode == 2
    assert repr(address) in one_line(done.stderr)


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        done = run("serve", "--listen", address)
    assert done.returncode == 69
    assert "another program has that port" in one_line(done.stderr)
    assert address in done.stderr


def test_an_address_that_is_not_this_machines() -> None:
    done = run("serve", "--listen", "192.0.2.1:0", "--insecure")
    assert done.returncode == 69
    assert "no interface" in one_line(done.stderr)


def test_an_open_address_is_refused_with_what_to_do() -> None:
    done = run("serve", "--listen", "0.0.0.0:0")
    assert done.returncode == 77
    line = one_line(done.stderr)
    assert "--insecure" in line
    assert "not built yet" in line


def test_a_place_without_permission(tmp_path: Path) -> None:
    # The superuser may do anything but this: a socket where there cannot be a file.
    done = run("serve", "--listen", f"unix:{tmp_path}/missing/tether.sock")
    assert done.returncode in (69, 77)
    assert "missing/tether.sock" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[[", "tether.toml:1:"),
        ("[server]\nlisten = 5\n", "server.listen"),
        ("[server]\nlsten = 'x'\n", "server.lsten"),
        ("[[devices]]\nid = 'a'\ndriver = 'no-such-driver'\n", "devices[0].driver"),
        ("[[devices]]\nid = 'a'\ndriver = 'simulated'\ninterval = -1\n", "devices[0].interval"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "tether.toml"
    file.write_text(text)
    done = run("serve", "--config", str(file))
    assert done.returncode == 78
    line = one_line(done.stderr)
    assert str(file) in line
    assert named in line


def test_a_missing_configuration(tmp_path: Path) -> None:
    done = run("serve", "--config", str(tmp_path / "nothing.toml"))
    assert done.returncode == 78
    assert "there is no such file" in one_line(done.stderr)


def test_a_configuration_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "tether.toml"
    file.mkdir()
    assert stat.S_ISDIR(file.stat().st_mode)
    done = run("serve", "--config", str(file))
    assert done.returncode == 78
    assert "cannot be read" in one_line(done.stderr)
