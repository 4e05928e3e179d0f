"""Observers are told what was added and drained, when it is over, and one after another."""

from __future__ import annotations

import os

import pytest

from tether import Buffer


def test_each_change_is_told_with_its_size() -> None:
    buffer, other = Buffer(), Buffer()
    told: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    buffer.on_change(lambda added, drained: told.append((added, drained)))
    other.on_change(lambda added, drained: others.append((added, drained)))
    buffer.append(b"abc")
    buffer.append(b"")
    buffer.prepend(b"de")
    buffer += b"f"
    buffer.append_reference(b"ghij")
    buffer.reserve(10)
    buffer.commit(7)
    buffer.drain(2)
    buffer.read(3)
    buffer.readinto(bytearray(1))
    buffer.contiguous().release()
    buffer.move_to(other, 4)
    buffer.clear()
    buffer.clear()
    assert told == [
        *[(3, 0), (2, 0), (1, 0), (4, 0), (7, 0)],
        *[(0, 2), (0, 3), (0, 1), (0, 4), (0, 7)],
    ]
    assert others == [(4, 0)]


def test_lines_and_descriptors_are_told() -> None:
    buffer = Buffer(b"one\r\ntwo")
    told: list[tuple[int, int]] = []
    buffer.on_change(lambda added, drained: told.append((added, drained)))
    assert buffer.readline() == b"one"
    reading, writing = os.pipe()
    buffer.write_to(writing)
    buffer.read_from(reading)
    os.close(reading)
    os.close(writing)
    assert told == [(0, 5), (0, 3), (3, 0)]


def test_what_an_observer_changes_is_told_when_all_were_told() -> None:
    buffer = Buffer()
    told: list[tuple[str, int, int, bytes]] = []

    def first(added: int, drained: int) -> None:
        told.append(("first", added, drained, bytes(buffer)))
        if added == 3:
            buffer.drain(1)
            buffer.append(b"xy")

    buffer.on_change(first)
    buffer.on_change(lambda added, drained: told.append(("second", added, drained, bytes(buffer))))
    buffer.append(b"abc")
    assert told == [
        ("first", 3, 0, b"abc"),
        ("second", 3, 0, b"bcxy"),
        ("first", 2, 1, b"bcxy"),
        ("second", 2, 1, b"bcxy"),
    ]


def test_two_buffers_that_fill_each_other() -> None:
    left, right = Buffer(), Buffer()
    left.on_change(lambda added, drained: left.move_to(right) if len(right) < 5 else None)
    right.on_change(lambda added, drained: left.append(b"x") if len(right) < 5 else None)
    left.append(b"x")
    assert (len(left), len(right)) == (0, 5)


def test_one_who_is_cancelled_is_not_told() -> None:
    buffer = Buffer()
    told: list[str] = []

    def first(added: int, drained: int) -> None:
        told.append("first")
        second.cancel()
        buffer.on_change(lambda added, drained: told.append("third"))

    one = buffer.on_change(first)
    second = buffer.on_change(lambda added, drained: told.append("second"))
    buffer.append(b"a")
    assert told == ["first"]
    one.cancel()
    one.cancel()
    buffer.append(b"b")
    assert told == ["first", "third"]


def test_an_observer_that_fails_stops_nobody(unraisable: list[BaseException | None]) -> None:
    buffer = Buffer()
    told: list[int] = []

    def fail(added: int, drained: int) -> None:
        raise ValueError(added)

    buffer.on_change(fail)
    buffer.on_change(lambda added, drained: told.append(added))
    buffer.append(b"abc")
    buffer.append(b"d")
    assert told == [3, 1]
    assert [repr(error) for error in unraisable] == ["ValueError(3)", "ValueError(1)"]


def test_an_exit_comes_out_when_all_were_told() -> None:
    buffer = Buffer()
    told: list[int] = []

    def leave(added: int, drained: int) -> None:
        raise KeyboardInterrupt

    leaving = buffer.on_change(leave)
    buffer.on_change(lambda added, drained: told.append(added))
    with pytest.raises(KeyboardInterrupt):
        buffer.append(b"abc")
    assert told == [3]
    leaving.cancel()
    buffer.append(b"d")
    assert told == [3, 1]
    assert buffer == b"abcd"


def test_both_buffers_of_a_move_are_told_though_one_leaves() -> None:
    first, second = Buffer(b"abc"), Buffer()
    told: list[int] = []

    def leave(added: int, drained: int) -> None:
        raise SystemExit

    first.on_change(leave)
    second.on_change(lambda added, drained: told.append(added))
    with pytest.raises(SystemExit):
        first.move_to(second)
    assert told == [3]
    assert second == b"abc"


def test_what_is_not_callable_is_refused() -> None:
    with pytest.raises(TypeError):
        Buffer().on_change(5)  # type: ignore[arg-type]
