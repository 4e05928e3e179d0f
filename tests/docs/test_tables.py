"""What the documents say in tables is what the code has."""

from __future__ import annotations

import builtins
import inspect
import re
import socket
import ssl
import tomllib

import pytest

import tether
from tests.docs.documents import ROOT, table
from tether import errors
from tether.cli.doctor import STATUSES
from tether.engine.lifecycle import LIFE_CYCLE
from tether.http.connection import Service
from tether.http.states import CONNECTION
from tether.websocket.codes import CODE_OF_CAUSE
from tether.websocket.handshake import accept


def followers(rows: list[list[str]]) -> dict[str, frozenset[str]]:
    return {
        state: frozenset() if after == "nothing" else frozenset(re.findall(r"\w+", after))
        for state, after in rows
    }


def test_the_life_cycle_of_a_scope() -> None:
    assert followers(table("docs/ownership.md", "state", "what may follow")) == LIFE_CYCLE


def test_the_life_of_a_connection() -> None:
    assert followers(table("docs/http.md", "phase", "what may follow")) == CONNECTION


def kinds(kind: type[errors.NetworkError]) -> list[type[errors.NetworkError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in kinds(below))]


FAILURES = table("docs/failures.md", "class", "also a", "token", "when")


def test_every_failure_has_its_row() -> None:
    listed = [row[0] for row in FAILURES]
    known = {kind.__name__ for kind in kinds(errors.NetworkError)} - {"NetworkError"}
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name in known if hasattr(errors, name)}


@pytest.mark.parametrize(("name", "also", "token"), [tuple(row[:3]) for row in FAILURES])
def test_a_failure_is_what_its_row_says(name: str, also: str, token: str) -> None:
    kind = getattr(tether, name)
    assert issubclass(kind, tether.NetworkError)
    assert kind.token == token
    standard = [
        base
        for base in kind.__mro__
        if base.__module__ in ("builtins", "socket", "ssl") and issubclass(base, OSError | EOFError)
    ]
    if also == "-":
        assert standard == []
    else:
        module, _, plain = also.rpartition(".")
        known = getattr({"": builtins, "socket": socket, "ssl": ssl}[module], plain)
        # The most special one is named.
        assert standard[0] is known


def test_phases() -> None:
    rows = dict(table("docs/failures.md", "field", "what it says"))
    assert tuple(re.findall(r"`?(\w+)`?(?:,| or|$)", rows["phase"].partition(":")[2])) == (
        errors.PHASES
    )
    fields = set(vars(errors.NetworkError())) | {"token"}
    assert set(rows) == fields


@pytest.mark.parametrize("room", ["engine", "stream", "aio", "http", "websocket", "app"])
def test_the_architecture_names_every_file_of_a_room(room: str) -> None:
    rows = dict(table("docs/architecture.md", "room", "files, and what each is for"))
    named = re.findall(r"(?:^|· )`?(\w+)`? ", rows[f"{room}/"] + " ")
    there = {
        path.stem
        for path in (ROOT / "src" / "tether" / room).iterdir()
        if path.suffix in (".py", ".pyx", ".pxd") and path.stem != "__init__"
    }
    assert set(named) == there
    assert len(named) == len(there)


def test_the_exit_statuses_of_the_doctor() -> None:
    rows = table("docs/doctor.md", "status", "phase", "meaning")
    assert {phase: int(status) for status, phase, _ in rows if phase} == STATUSES
    assert [status for status, phase, _ in rows if not phase] == ["0", "2"]


def number(text: str) -> float:
    found = re.fullmatch(r"([0-9.]+)(?: (?:s|B|B/s))?", text)
    assert found, text
    return float(found[1])


def test_the_limits_of_http() -> None:
    service = Service(lambda request: None)
    rows = table("docs/http.md", "limit", "default", "when it is passed")
    for name, default, _ in rows:
        assert getattr(service, name) == number(default), name
    has = {
        name
        for name in dir(Service)
        if name.endswith(("_limit", "_timeout", "_rate", "_grace")) or name.startswith("max_")
    }
    assert {row[0] for row in rows} == has


def test_the_options_of_a_websocket() -> None:
    parameters = dict(inspect.signature(accept).parameters)
    parameters.pop("request")
    rows = table("docs/websocket.md", "option", "default", "what it does")
    assert [row[0] for row in rows] == list(parameters)
    for name, default, _ in rows:
        actual = parameters[name].default
        if default in ("none", "same host"):
            assert not actual
        else:
            assert actual == number(default), name


def test_the_close_code_of_a_cause() -> None:
    rows = table("docs/websocket.md", "cause", "code")
    names = {None: "none", BaseException: "any other"}
    assert [(cause, int(code)) for cause, code in rows] == [
        (names.get(kind) or kind.__name__ if kind else "none", code) for kind, code in CODE_OF_CAUSE
    ]


def packages(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9_.-]+", line) for line in requirements)
    return {name[0].lower() for name in found if name}


def test_each_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    peers = (ROOT / "benchmarks/requirements.txt").read_text().splitlines()
    lines = (ROOT / "docs/dependencies.md").read_text().split("\n## ")[1:]
    listed = {
        part.partition("\n")[0]: set(re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE))
        for part in lines
    }
    assert listed == {
        "To run": packages(project["project"]["dependencies"]),
        "To run, where it is asked for": packages(extras["dns"]),
        "To build": packages(project["build-system"]["requires"]),
        "To test and check": packages([*extras["test"], *extras["check"]])
        - packages(extras["dns"]),
        "To measure": packages([line for line in peers if not line.startswith("#")]),
    }
