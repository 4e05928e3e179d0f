"""What a buffer refers to is given back once, when nothing of it is left anywhere."""

from __future__ import annotations

import array
from collections.abc import Callable

import pytest

from tether import Buffer

Drop = Callable[[Buffer], object]


class Released(list[object]):
    """What was given back, in order."""

    def __call__(self, data: object) -> None:
        self.append(data)


@pytest.mark.parametrize(
    "drop",
    [
        lambda buffer: buffer.drain(5),
        lambda buffer: buffer.read(),
        lambda buffer: buffer.clear(),
        lambda buffer: buffer.readinto(bytearray(5)),
        lambda buffer: buffer.contiguous(),
        lambda buffer: buffer.readline("nul"),
    ],
)
def test_it_is_released_once_with_its_last_byte(drop: Drop) -> None:
    released = Released()
    buffer, data = Buffer(b"x"), bytearray(b"abc\0")
    buffer.append_reference(data, released)
    with pytest.raises(BufferError):
        data.append(1)
    buffer.read(1)
    buffer.prepend(b"y")
    assert released == []
    drop(buffer)
    assert released == [data]
    assert released[0] is data
    data.append(1)
    buffer.clear()
    del buffer
    assert len(released) == 1


def test_it_is_not_released_before_its_last_byte() -> None:
    released = Released()
    buffer = Buffer()
    buffer.append_reference(b"abc", released)
    buffer.drain(2)
    assert released == []
    buffer.drain(1)
    assert released == [b"abc"]


def test_it_is_released_when_the_buffer_dies() -> None:
    released = Released()
    buffer = Buffer()
    buffer.append_reference(b"abc", released)
    buffer.append_reference(b"def", released)
    del buffer
    assert released == [b"abc", b"def"]


def test_what_is_divided_between_buffers_is_released_with_the_last_part() -> None:
    released = Released()
    first, second, third = Buffer(), Buffer(), Buffer()
    first.append_reference(b"abcdef", released)
    first.move_to(second, 2)
    first.move_to(third, 2)
    first.clear()
    del second
    assert released == []
    assert third == b"cd"
    third.read()
    assert released == [b"abcdef"]


def test_nothing_is_not_held() -> None:
    released = Released()
    buffer = Buffer()
    buffer.append_reference(b"", released)
    assert released == [b""]
    assert buffer.chunks == 0


def test_what_was_not_added_is_not_released() -> None:
    released = Released()
    buffer, data = Buffer(b"abc"), bytearray(b"def")
    with buffer.contiguous(), pytest.raises(BufferError):
        buffer.append_reference(data, released)
    with pytest.raises(BufferError):
        buffer.append_reference(buffer, released)
    with pytest.raises(TypeError):
        buffer.append_reference(data, 5)  # type: ignore[arg-type]
    data.append(1)
    assert released == []
    assert buffer == b"abc"


def test_it_is_the_memory_itself() -> None:
    data = array.array("I", range(1000))
    buffer = Buffer()
    buffer.append_reference(data)
    data[0] = 7
    assert buffer.read(4) == array.array("I", [7]).tobytes()


def test_a_release_function_may_use_the_buffer() -> None:
    buffer = Buffer()
    said: list[tuple[object, bytes]] = []

    def release(data: bytes) -> None:
        said.append((data, bytes(buffer)))
        if len(said) < 4:
            buffer.append_reference(data, release)  # and on it goes
            buffer.prepend(b"-")
            buffer.drain(1)

    buffer.append_reference(b"ab", release)
    buffer.append_reference(b"cd", release)
    buffer.append(b"rest")
    buffer.drain(5)
    assert said == [(b"ab", b"est"), (b"cd", b"estab")]
    assert buffer == b"estabcd"
    buffer.clear()
    assert said[2:] == [(b"ab", b""), (b"cd", b"ab")]
    assert buffer == b"ab"


def test_a_release_function_that_empties_the_buffer_while_it_is_joined() -> None:
    buffer = Buffer()
    buffer.append_reference(b"ab", lambda data: buffer.clear())
    buffer.append_reference(b"cd")
    with pytest.raises(BufferError, match="release function"):
        buffer.contiguous(3)
    assert not buffer
    buffer.append_reference(b"ab", lambda data: buffer.append(b"ef"))
    buffer.append_reference(b"cd")
    assert bytes(memoryview(buffer)) == b"abcdef"


def test_what_a_release_function_raises_stops_nobody(
    unraisable: list[BaseException | None],
) -> None:
    released = Released()
    buffer = Buffer()

    def fail(data: object) -> None:
        raise KeyboardInterrupt(data)

    buffer.append_reference(b"ab", fail)
    buffer.append_reference(b"cd", released)
    assert buffer.drain(4) == 4
    assert released == [b"cd"]
    assert [type(error) for error in unraisable] == [KeyboardInterrupt]


def test_release_functions_run_when_the_buffer_is_whole() -> None:
    buffer = Buffer()
    sizes: list[int] = []
    for _ in range(1000):
        buffer.append_reference(b"abc", lambda data: sizes.append(len(buffer)))
    buffer.drain(1500)
    assert sizes == [1500] * 500


def test_a_release_function_that_keeps_a_view() -> None:
    buffer = Buffer()
    for _ in range(3):
        buffer.append(bytearray(50_000))
    buffer.contiguous().release()  # one long piece, of which little will be left
    views: list[memoryview] = []
    other = Buffer()
    other.append_reference(b"x", lambda data: views.append(buffer.contiguous()))
    buffer.prepend(b"y")
    other.move_to(buffer)
    buffer.append(b"end")
    buffer.drain(150_002)
    assert bytes(views[0]) == b"end"
    with pytest.raises(BufferError):
        buffer.clear()


def test_a_reference_to_a_reference_and_so_on_ends_without_running_out_of_stack() -> None:
    released: list[int] = []
    buffer = Buffer(b"abc")
    for _ in range(100_000):
        outer = Buffer()
        outer.append_reference(memoryview(buffer), lambda data: released.append(len(data)))
        buffer = outer
    assert buffer == b"abc"
    del buffer, outer
    assert released == [3] * 100_000
