"""The collector sees what a buffer refers to, and ends nothing that can still be looked at."""

from __future__ import annotations

import gc
import weakref

import pytest

from tether import Buffer


@pytest.mark.parametrize("is_viewed", [False, True])
def test_the_collector_sees_through_observers_and_release_functions(is_viewed: bool) -> None:
    released: list[bytes] = []

    class Owner:
        def __init__(self) -> None:
            self.buffer = Buffer()
            self.buffer.on_change(self.changed)
            self.buffer.append_reference(bytearray(b"abc"), self.release)
            self.buffer.append_reference(b"def", self.ignore)
            self.view = memoryview(self.buffer) if is_viewed else None

        def changed(self, added: int, drained: int) -> None:
            pass

        def ignore(self, data: bytes) -> None:
            pass

        def release(self, data: bytearray) -> None:
            released.append(bytes(data))

    owner = weakref.ref(Owner())
    assert released == ([b"abc"] if is_viewed else [])  # the view joined the bytes
    gc.collect()
    gc.collect()
    assert owner() is None
    assert released == [b"abc"]


def test_a_buffer_that_only_it_refers_to_is_collected() -> None:
    buffer = Buffer()
    buffer.append_reference(b"abc", buffer.append)
    buffer.on_change(lambda added, drained, held=buffer: held)  # type: ignore[misc]
    gone = weakref.ref(buffer)
    del buffer
    gc.collect()
    assert gone() is None


def test_a_buffer_held_by_its_own_view_is_collected() -> None:
    buffer, other = Buffer(b"abc"), Buffer()
    other.append_reference(buffer.contiguous(), lambda data: data.release())
    buffer_gone, other_gone = weakref.ref(buffer), weakref.ref(other)
    buffer.on_change(lambda added, drained, held=other: held)  # type: ignore[misc]
    del buffer, other
    gc.collect()
    gc.collect()
    assert buffer_gone() is None
    assert other_gone() is None


def test_a_release_function_that_is_garbage_itself_is_called_while_it_is_whole() -> None:
    released: list[bytes] = []

    def make() -> None:
        buffer = Buffer()

        def release(data: bytes) -> None:
            released.append(data)
            if len(released) < 3:
                buffer.append_reference(data, release)

        buffer.append_reference(b"abc", release)
        buffer.append_reference(b"def", release)

    make()
    gc.collect()
    assert sorted(released) == [b"abc", b"def"]


def test_what_is_saved_from_the_collector_is_whole() -> None:
    saved: list[Buffer] = []

    class Owner:
        def __init__(self) -> None:
            self.buffer = Buffer()
            self.buffer.append_reference(bytearray(b"abc"), self.release)

        def release(self, data: bytearray) -> None:
            saved.append(self.buffer)

    Owner()
    gc.collect()
    (buffer,) = saved
    assert buffer == b"abc"
    buffer.append(b"def")
    assert buffer.read() == b"abcdef"
    saved.clear()
    del buffer
    gc.collect()
    assert saved == []


@pytest.mark.parametrize("is_found_first", [True, False])
def test_a_view_that_the_collector_ends_before_the_buffer(is_found_first: bool) -> None:
    class Data(bytearray):
        buffer: Buffer

    gone = []
    for _ in range(10):
        data = Data(b"abc" * 1000)
        view = memoryview(data)
        data.buffer = Buffer()
        data.buffer.append_reference(view)
        gone.append(weakref.ref(data))
        del data
        if is_found_first:
            gc.collect()
        del view
    gc.collect()
    assert [one() for one in gone] == [None] * 10
