"""The device server that the tests of this room talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.hub_server.device_board import Board, Lamp, Meter
from tether.hub.devices.driver import Driver

StartBoard = Callable[..., Board]


@pytest.fixture
def start_board() -> Iterator[StartBoard]:
    """Start device servers; at the end each stops, and none logged an error."""
    boards: list[Board] = []

    def start(drivers: Iterable[Driver] | None = None, settings: str = "") -> Board:
        board = Board(drivers, settings)
        boards.append(board)
        return board.start()

    yield start
    for board in boards:
        board.stop()
        assert [record.getMessage() for record in board.problems] == []


@pytest.fixture
def lamp() -> Lamp:
    return Lamp()


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def board(start_board: StartBoard, lamp: Lamp, meter: Meter) -> Board:
    """A server with one switch (`lamp`) and one sensor (`meter`)."""
    return start_board([lamp, meter])
