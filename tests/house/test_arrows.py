"""The arrows of the house go down only, and the checker that says so can say no."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.arrows import FLOORS, imports_of, wrong_arrows

SOURCE = Path(__file__).parents[2] / "src" / "tether"


def test_no_import_goes_up_or_sideways() -> None:
    assert wrong_arrows(SOURCE) == []


def test_the_imports_of_every_kind_of_file_are_seen() -> None:
    seen = {
        name: {one.target for one in imports_of(SOURCE / name, "tether.stream")}
        for name in ("stream/connect.py", "stream/channel.pyx", "stream/stream.pxd")
    }
    assert "tether.engine.scope.current_scope" in seen["stream/connect.py"]
    assert "tether.engine.poller.HANGUP" in seen["stream/channel.pyx"]
    assert "tether.errors.WriteTimeout" in seen["stream/channel.pyx"]
    assert "tether.stream.timed.Timed" in seen["stream/stream.pxd"]


def test_every_room_stands_on_a_floor() -> None:
    rooms = {
        path.stem
        for path in SOURCE.iterdir()
        if (path.is_dir() and path.name != "__pycache__") or path.suffix == ".py"
    }
    assert rooms - {"__init__", "__main__"} <= set().union(*FLOORS)


def plant(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("stream/a.py", "from tether.aio.loop import Loop\n", "goes up"),
        ("stream/a.py", "def f():\n    import tether.http.parser\n", "goes up"),
        ("engine/a.pyx", "from tether.stream.stream cimport Stream\n", "goes up"),
        ("engine/a.pyx", "from tether.stream.stream cimport (\n    Stream,\n)\n", "goes up"),
        ("engine/a.pxd", "cimport tether.stream.stream\n", "goes up"),
        ("engine/a.pyi", "from tether.stream.stream import Stream\n", "goes up"),
        ("engine/a.py", "import tether\n", "goes up"),
        ("engine/a.py", "from tether import Stream\n", "goes up"),
        ("stream/a.py", "from ..aio.loop import Loop\n", "goes up"),
        ("stream/a.py", "from .. import aio\n", "goes up"),
        ("errors.py", "from tether.config import log\n", "goes up"),
        ("app/a.py", "from tether.hub.hub import Hub\n", "goes up"),
        ("app/a.py", "from tether.cli.main import main\n", "goes up"),
        ("hub/a.py", "from tether.gateway.x import Y\n", "goes sideways"),
        ("asgi/a.py", "import tether.hub\n", "goes sideways"),
        ("attic/a.py", "from tether.errors import Closed\n", "no room of the house"),
        ("hub/devices/a.py", "from tether.hub.hub import Hub\n", "must not know"),
        ("hub/devices/a.py", "from tether.hub.history.memory import History\n", "must not know"),
        ("hub/devices/a.py", "from tether.hub import protocol\n", "must not know"),
    ],
)
def test_the_checker_finds_a_wrong_arrow(tmp_path: Path, name: str, text: str, said: str) -> None:
    (found,) = wrong_arrows(plant(tmp_path, name, text))
    assert found.startswith(f"{name}:")
    assert said in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("aio/a.py", "from tether.stream.stream import Stream\n"),
        ("engine/a.pyx", "from tether.engine.scope cimport Scope\nfrom libc.math cimport floor\n"),
        ("engine/a.pyx", 'def f():\n    """\n    >>> import tether\n    """\n'),
        ("hub/a.py", "import tether\nfrom tether.hub.devices.model import Device\n"),
        ("hub/history/a.py", "from tether.hub.devices.model import Device\n"),
        ("cli/a.py", "from tether.hub.server import build\nfrom tether import __version__\n"),
        ("__init__.py", "from tether.hub.hub import Hub\n"),
        ("engine/a.py", "from ..errors import Closed\nfrom .scope import Scope\n"),
    ],
)
def test_the_checker_lets_a_right_arrow_pass(tmp_path: Path, name: str, text: str) -> None:
    assert wrong_arrows(plant(tmp_path, name, text)) == []
