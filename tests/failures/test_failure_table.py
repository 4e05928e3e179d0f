"""Every row of the table of failures: a real fault, met on each poller, is told as the row says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import CHOSEN
from tests.failures import comparison
from tests.failures.network import SECONDS, meet
from tests.failures.table import FAULTS, TABLE, Said
from tether.engine.pollers import POLLERS

CLIENTS = (CHOSEN,) if CHOSEN else tuple(POLLERS)


@pytest.fixture
def met(poller: str) -> Any:
    """What tether says on this poller."""
    return meet(*CLIENTS)["said"][poller]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_as_its_row_says(name: str, met: Any) -> None:
    expected: Said = FAULTS[name]
    outcomes = met["said"][name]
    assert outcomes, "it was met"
    for said in outcomes:
        assert said["class"] == expected.kind, said.get("text")
        assert not expected.base or expected.base in said["bases"]
        assert said["token"] == expected.token
        assert said["phase"] == expected.phase
        assert said["errno"] == expected.number
        if expected.address == "/":
            assert said["address"].startswith("/")
        elif expected.address == "proxy":
            assert re.fullmatch(r"127\.0\.0\.1:\d+", said["address"])
        else:
            assert said["address"] == expected.address
        if expected.kind.startswith("Resolve"):
            assert expected.detail in said["reason"]
        else:
            assert said["detail"] == expected.detail
        assert (said["took"] >= SECONDS) or not expected.is_late
        assert said["took"] < SECONDS + 1.5, "it outlived its deadline"
        assert said["left"] == []


@pytest.mark.parametrize("name", FAULTS)
def test_each_who_met_it_heard_of_it_once(name: str, met: Any) -> None:
    outcomes = met["said"][name]
    assert len({one["identity"] for one in outcomes}) == len(outcomes)
    # Nothing of it was told to the log besides, and nobody's failure went unseen.
    assert met["left"]["logged"] == []


def test_nothing_is_left(met: Any) -> None:
    assert met["left"] == {
        "descriptors": [],
        "threads": [],
        "members": [],
        "tasks": [],
        "timers": 0,
        "logged": [],
    }


def merged(met: Any, fields: slice) -> list[list[str]]:
    """The causes that have the same class, phase, errno, token and detail, or some of these."""
    told: dict[tuple[Any, ...], set[str]] = {}
    for name in FAULTS:
        key = comparison.key_of_ours(met["said"][name][0])[fields]
        told.setdefault(key, set()).add(comparison.cause(name))
    return [sorted(causes) for causes in told.values() if len(causes) > 1]


def test_every_cause_is_told_apart(met: Any) -> None:
    assert merged(met, slice(5)) == []


def test_class_phase_errno_and_token_tell_apart_all_but_what_one_more_field_does(met: Any) -> None:
    assert merged(met, slice(4)) == [
        ["closed in the handshake", "plaintext instead of TLS"],  # openssl
        [  # verify_code
            "a certificate for another name",
            "a certificate of an unknown authority",
            "a self-signed certificate",
            "an expired certificate",
        ],
        ["closed before the reply", "closed inside the head"],  # bytes_received
    ]


def test_each_row_has_faults_or_says_what_it_waits_for() -> None:
    assert len({row.what for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert bool(row.faults) != bool(row.waits), row.what


def test_the_page_has_what_a_run_writes(met: Any) -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")[:2]]
        for line in comparison.written().splitlines()
        if line.startswith("| ") and "---" not in line
    ][1 : len(FAULTS) + 1]
    assert rows == [[name, comparison.ours(met["said"][name][0])] for name in FAULTS]


def test_the_rows_that_wait_are_on_the_page() -> None:
    text = comparison.PAGE.read_text()
    for row in TABLE:
        assert not row.waits or f"| {row.what} | {row.waits} |" in text


def test_the_rows_of_the_peers_are_filled(met: Any) -> None:
    first, *lines = [line for line in comparison.written().splitlines() if line.startswith("| ")]
    assert [title.split()[0] for title in first.strip("| ").split("|")[2:]] == [
        "asyncio",
        "aiohttp",
        "httpx",
    ]
    cells = [cell for line in lines[1 : len(FAULTS) + 1] for cell in line.split("|")[3:6]]
    assert sum(cell.strip() != "-" for cell in cells) > 90
